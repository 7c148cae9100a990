"""Pictures with boxes on disk, from which a format writes its files; what every format is given, and the two cards beside its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Required, TypedDict

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.atomic_output import OutputFolder
from dinolabel.exporters.output.checkpoint import CheckpointLog
from dinolabel.exporters.output.dataset_card import README, card_text, is_ours_to_write
from dinolabel.exporters.pipeline.records import ExportedImage, read
from dinolabel.exporters.pipeline.refusals import TASKS, runs
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.exporters.pipeline.sides import SIDES
from dinolabel.exporters.unlisted_files import CARD
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.types import Image

FORMAT = 1
CARDS = {"coco": "COCO", "csv": "CSV", "hf": "a DatasetDict", "parquet": "Parquet", "voc": "PASCAL VOC", "yolo": "YOLO"}
"""Data sets, which have a README.md. Sidecars and tasks are parts of something else."""

Json = Mapping[str, Any]
OpenImage = Callable[[Any], Image]
Find = Callable[[Any], Path]
Progress = Callable[[int, int], None]
Place = Callable[[ExportedImage], str | None]


class ExportContext(TypedDict, total=False):
    """What every format's `export` takes.

    open_image, find: from a task's picture address to its pixels and its file; they raise MediaError.
    xml: the label config as Label Studio has it. progress: called with tasks done and in all, 0 where that is not known.
    """

    open_image: Required[OpenImage]
    find: Required[Find]
    wish: ExportOptions
    generic_is_unknown: bool
    xml: str
    progress: Progress


@dataclass
class ImageCollection:
    """Pictures on disk, to be gone through as often as a format likes. classes: in the label config's order. tray: where files go.

    moved: groups that are on another side than their hash says (dinolabel.exporters.pipeline.sides), with that side.
    """

    journal: CheckpointLog
    tray: OutputFolder
    classes: tuple[str, ...]
    config: LabelConfig
    wish: ExportOptions
    report: ExportReport
    open_image: OpenImage
    place: Place
    moved: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ExportedImage]:
        return (self._on_its_side(read(each)) for each in self.journal if "name" in each)

    def on_side(self, wanted: str) -> Iterator[ExportedImage]:
        """Those of one side."""
        return (each for each in self if each.side == wanted)

    @property
    def sides(self) -> tuple[str, ...]:
        """Those with pictures: readers open no list, table or folder without a row."""
        return tuple(name for name in SIDES if self.report.sides.get(name)) or ("all",)

    def _on_its_side(self, picture: ExportedImage) -> ExportedImage:
        side = self.moved.get(picture.group)
        if side is None or side == picture.side:
            return picture
        there = replace(picture, side=side)
        return replace(there, placed=self.place(there) if picture.placed else None)


def write_cards(found: ImageCollection, name: str, out: Path) -> None:
    """What was exported and what was left out, for programs and for people. out: where the export is to appear."""
    tasks = runs(each.task for each in found)
    card = {"format": name, "version": FORMAT, "classes": found.classes, TASKS: tasks, "report": asdict(found.report)}
    found.tray.path(CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if name in CARDS and is_ours_to_write(out, README):
        found.tray.path(README).write_text(_readme(found, name), encoding="utf-8")


def _readme(found: ImageCollection, name: str) -> str:
    report = found.report
    pictures = sum(report.sides.values())
    facts = {
        "pictures": f"{pictures:,}" + "".join(f", {side} {number:,}" for side, number in sorted(report.sides.items()) if side != "all"),
        "boxes": f"{report.rows:,}, in pixels of the upright picture",
        "classes": f"{len(found.classes):,}, in the order of their numbers",
        "decided by": "people" + (", but for boxes that nobody looked at, which say so" if found.wish.unverified else ""),
        "pictures in which people found nothing": f"{report.negatives:,}" if report.negatives else None,
        "format": f"{name}, as docs/exports.md of dinolabel says; what was left out: {CARD}",
    }
    files = {{"val": "validation"}.get(side, "train"): [f"data/{shard_name(side)}-*.parquet"] for side in found.sides}
    return card_text(f"Boxes as {CARDS[name]}", facts, task="object-detection", rows=pictures, files=files if name == "parquet" else {})


def shard_name(side: str) -> str:
    """How the Parquet files of a side begin."""
    return "pictures" if side == "all" else side
