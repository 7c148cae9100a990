"""Plug-ins that installed packages bring: which there are, and which cannot be used. For `dinolabel --help` and `doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from dinolabel import commands
from dinolabel.exporters import formats, importers
from dinolabel.vision import detectors, embedders, heads
from dinolabel.vision.errors import DinolabelError

KINDS = tuple(each.PLUGINS for each in (detectors, embedders, heads, formats, importers, commands))


def listed() -> list[tuple[str, str]]:
    """(`detector`, `blobs (dinolabel-blobs 1.0)`) for each kind of which there are any. Imports none of them."""
    found = ((kind.word, ", ".join(f"{each.name} ({each.package})" for each in kind.outside())) for kind in KINDS)
    return [(word, names) for word, names in found if names]


def faults() -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) with each that cannot be used. Imports all of them."""
    for kind in KINDS:
        for sentence in kind.refused():
            yield sentence, "Ask its makers for another name, or uninstall it."
        for each in kind.outside():
            try:
                kind.load(each.name)
            except DinolabelError as error:
                yield str(error), error.hint
