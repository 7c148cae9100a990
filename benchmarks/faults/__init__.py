"""Faults, made on purpose in real processes: what is promised of each, and what is seen."""
