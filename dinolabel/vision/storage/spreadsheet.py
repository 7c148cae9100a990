"""Cells of tables that people open in a spreadsheet: a text is shown there and never computed, whatever it begins with.

A label such as `=1+1` is somebody's text; a spreadsheet would take it for a formula and run it. What is written stands behind a `'`, and
what we read back is the text again.
"""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
MARK = "'"


def to_cell(text: str) -> str:
    """The text as a cell that is no formula."""
    return MARK + text if text.lstrip(MARK).startswith(FORMULA) else text


def from_cell(cell: str) -> str:
    """The text of a cell that `to_cell` made."""
    return cell.removeprefix(MARK) if cell.lstrip(MARK).startswith(FORMULA) else cell
