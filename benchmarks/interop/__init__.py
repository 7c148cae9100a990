"""Reads each export by the programs that people feed it to, and compares boxes with the truth: `make interop`.

Their readers run in environments of their own (readers.txt, fiftyone.txt), made by `run.py interop` below `.cache/interop`. Nothing is
imitated: a program that cannot be installed, or does not know a layout, is named with what it said.
"""
