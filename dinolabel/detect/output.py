"""Output of `dinolabel detect`, picture by picture out of the journal: JSON, tables on a screen, the sums."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dinolabel.cli import console
from dinolabel.cli import text as words
from dinolabel.vision.storage.atomic_files import atomic_file

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MOST_ROWS = 40
MOST_PICTURES = 200
MOST_REMARKS = 10
Entries = Iterable[Mapping[str, Any]]
"""What images.entry and images.failure say, one after the other; can be gone through again."""


@dataclass(frozen=True)
class DetectionTotals:
    """empty: pictures without a box. hidden: boxes left out because people keep deleting their like."""

    pictures: int = 0
    boxes: int = 0
    empty: int = 0
    hidden: int = 0
    failed: int = 0
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Entries) -> Self:
        counts: Counter[str] = Counter()
        remarks: list[str] = []
        for each in entries:
            counts["pictures"] += 1
            counts["boxes"] += len(each.get("found", ()))
            counts["empty"] += each.get("found") == []
            counts["hidden"] += each.get("suppressed", 0)
            counts["failed"] += "error" in each
            remarks += [f"{each['file']} {remark}" for remark in each.get("remarks", ())]
        return cls(**counts, remarks=tuple(remarks))

    @property
    def mostly_empty(self) -> bool:
        """Whether at least half of the pictures that could be read have no box."""
        return 2 * self.empty >= self.pictures - self.failed > 0

    def remarked(self) -> list[str]:
        """A line for each picture that was read otherwise than a person may think, the first few of many."""
        more = len(self.remarks) - MOST_REMARKS
        return [*self.remarks[:MOST_REMARKS], *([f"and {words.count_noun(more, 'more remark')}: in the JSON"] if more > 0 else [])]

    def sentence(self) -> list[str | Text]:
        said: list[str | Text] = [
            f"{words.count_noun(self.boxes, 'box', 'boxes')} in {words.count_noun(self.pictures - self.failed, 'picture')}"
        ]
        said += (
            [f"{words.count_noun(self.hidden, 'box', 'boxes')} not shown, the like of which people keep deleting"] if self.hidden else []
        )
        return said + ([console.bad(f"{words.count_noun(self.failed, 'picture')} failed")] if self.failed else [])


def document(
    facts: Mapping[str, Any], entries: Entries, *, films: Sequence[Mapping[str, Any]] | None = None, failed: Entries = ()
) -> Iterator[str]:
    """Pieces of one JSON object: the facts, then `images`, `films` where some were named, and `failed`, a line for each.

    films: what the JSON beside each says. failed: those that could not be watched.
    """
    yield json.dumps(facts, indent=1, ensure_ascii=False).removesuffix("\n}")
    yield ',\n "images": ['
    yield from _image_rows(each for each in entries if "error" not in each)
    if films is not None:
        yield '],\n "films": ['
        yield from _image_rows(films)
    yield '],\n "failed": ['
    yield from _image_rows(chain((each for each in entries if "error" in each), failed))
    yield "]\n}\n"


def _image_rows(entries: Entries) -> Iterator[str]:
    comma = ""
    for each in entries:
        yield comma + "\n  " + json.dumps(each, ensure_ascii=False)
        comma = ","


def write(path: Path, pieces: Iterable[str]) -> None:
    """At once or not at all."""
    with atomic_file(path) as half, half.open("w", encoding="utf-8") as file:
        file.writelines(pieces)


def table(entries: Entries, sums: DetectionTotals) -> Table:
    """A row per box; for many, a row per picture."""
    seen = (each for each in entries if "error" not in each)
    return _boxes(seen) if sums.boxes <= MOST_ROWS else _counts(seen, sums)


def _boxes(entries: Entries) -> Table:
    figures = ("score", "confidence", "x1", "y1", "x2", "y2")
    made = console.table("picture", "label", "phrase", *figures, right=figures)
    for each in entries:
        for box in each["found"]:
            confidence = "–" if box["confidence"] is None else f"{box['confidence']:.2f}"
            corners = [f"{corner:.0f}" for corner in box["box"]]
            made.add_row(each["file"], box["label"], box["phrase"], f"{box['score']:.2f}", confidence, *corners)
    return made


def _counts(entries: Entries, sums: DetectionTotals) -> Table:
    made = console.table("picture", "boxes", "labels", right=("boxes",))
    for each in islice(entries, MOST_PICTURES):
        counts = Counter(box["label"] for box in each["found"])
        told = ", ".join(f"{label} {count}" for label, count in sorted(counts.items())) or "–"
        made.add_row(each["file"], str(len(each["found"])), told)
    more = sums.pictures - sums.failed - MOST_PICTURES
    if more > 0:
        made.add_row(console.soft(f"and {words.count_noun(more, 'more picture', 'more pictures')}"), "", "")
    return made
