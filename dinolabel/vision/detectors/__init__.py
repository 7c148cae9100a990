"""Detectors: words and pictures in, boxes out. A file here is one, by its name; packages bring others."""

from dinolabel.vision.plugin_loader import PluginKind

PLUGINS = PluginKind("detector", "dinolabel.detectors", __name__)
