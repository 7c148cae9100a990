"""Embedders: crops in, vectors out. A file here is one, by its name; packages bring others."""

from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("embedder", "dinolabel.embedders", __name__)
