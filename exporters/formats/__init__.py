"""Annotations to files. A format is a file here with a function `export`, by its name; packages bring others."""

from dinolabel.vision.errors import RequestError
from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("export format", "dinolabel.exporters", __name__, verbs=("export",), among_others=True, error=RequestError)
names, load = PLUGINS.names, PLUGINS.load
