"""Output of `dinolabel detect`, picture by picture out of the journal: JSON, tables on a screen, the sums."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dinolabel.cli import console, words
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MOST_ROWS = 40
MOST_PICTURES = 200
MOST_REMARKS = 10
COCO_RESULTS = "coco_results.json"
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


@dataclass(frozen=True)
class CocoIds:
    """The numbers that a COCO file has for its pictures and categories. images: by file_name, and by its end where no other has it."""

    images: Mapping[str, Any]
    categories: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises RequestError when the file lists no pictures and categories."""
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
            named = {str(each["file_name"]).replace("\\", "/"): each["id"] for each in content["images"]}
            categories = {str(each["name"]): each["id"] for each in content["categories"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = "Name the JSON file with the pictures' ids, such as annotations/instances_val.json."
            raise RequestError(f"{path} is no COCO detection file: {type(error).__name__} {error}.", hint=hint) from error
        ends = Counter(name.rpartition("/")[2] for name in named)
        return cls(
            {name.rpartition("/")[2]: each for name, each in named.items() if ends[name.rpartition("/")[2]] == 1} | named, categories
        )

    def results(self, entries: Entries) -> Iterator[dict[str, Any]]:
        """What COCOeval loads: image_id, category_id, bbox (x, y, width, height) and score, of pictures and labels that the file lists.

        score: the detector's, times the confidence of the name where there is one.
        """
        for each in entries:
            image = self.images.get(each["file"], self.images.get(each["file"].rpartition("/")[2]))
            for box in each.get("found", ()) if image is not None else ():
                if (category := self.categories.get(box["label"])) is not None:
                    x1, y1, x2, y2 = box["box"]
                    score = box["score"] * (1.0 if box["confidence"] is None else box["confidence"])
                    yield {"image_id": image, "category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": round(score, 6)}

    def unlisted(self, entries: Entries) -> str | None:
        """What is not among the results, in words for a person."""
        names = [each["file"] for each in entries if "error" not in each]
        pictures = sum(not {each, each.rpartition("/")[2]} & set(self.images) for each in names)
        labels = {box["label"] for each in entries for box in each.get("found", ())} - set(self.categories)
        said = [f"{words.count_noun(pictures, 'picture')} that it does not list"] if pictures else []
        said += [f"boxes of {words.join_words(sorted(labels))}, no category of it"] if labels else []
        return words.join_words(said) if said else None


def coco_rows(ids: CocoIds, entries: Entries) -> Iterator[str]:
    """Pieces of the results file, a line for each box."""
    yield "["
    yield from _image_rows(ids.results(entries))
    yield "]\n"


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
