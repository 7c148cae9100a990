"""Folders and files of an export: whole or not at all, listed, resumable, a person's files left alone."""
