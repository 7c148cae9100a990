"""Files to annotations: what other tools and earlier projects approved. A format is a file here with a function `read`, by its name;
packages bring others."""

from dinolabel.vision.errors import RequestError
from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("import format", "dinolabel.importers", __name__, verbs=("read",), among_others=True, error=RequestError)
names, load = PLUGINS.names, PLUGINS.load
