"""Commands: a file here is one, by its name; it has `command` (a function) or `app` (a typer.Typer). Packages bring others."""

from dinolabel.vision.errors import RequestError
from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("command", "dinolabel.commands", __name__, verbs=("command", "app"), error=RequestError)
