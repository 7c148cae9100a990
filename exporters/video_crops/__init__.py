"""Crops with names out of videos, for a first head without Label Studio."""
