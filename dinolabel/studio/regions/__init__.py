"""Regions of a result, both ways: read into boxes and marks that could not be used, written from detections."""
