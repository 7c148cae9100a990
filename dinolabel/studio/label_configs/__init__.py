"""A project's label config: read, judged, changed without touching another byte."""
