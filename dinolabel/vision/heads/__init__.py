"""Heads: vectors in, names out. A file here is one and competes in training; packages bring others."""

from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("head", "dinolabel.heads", __name__)
