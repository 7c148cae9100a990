"""Notes beside a region, its `meta.text`: written so that each stands on a line of its own, read as each was meant.

Label Studio prints the items of the list with nothing between them and keeps line ends, so each item ends with one; notes of earlier
releases and of other tools end without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def write_notes(notes: Iterable[str]) -> list[str]:
    """`meta.text` of these notes, one a line."""
    return [f"{each.strip()}\n" for each in notes if each.strip()]


def read_notes(region: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes of a region, without line ends around them. A text is one note; what is neither text nor list is none."""
    meta = region.get("meta")
    text = meta.get("text") if isinstance(meta, Mapping) else None
    texts = text if isinstance(text, list) else [text]
    return tuple(note for each in texts if each is not None and (note := str(each).strip()))


def find_note(region: Mapping[str, Any], start: str) -> str | None:
    """The first note of a region that begins so."""
    return next((each for each in read_notes(region) if each.startswith(start)), None)
