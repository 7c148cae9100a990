"""Heads with all that decides their answers: saved, kept, explained, exported."""
