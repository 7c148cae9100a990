"""A `DatasetDict` for Hugging Face's `datasets.load_from_disk`, in the form that transformers' object detection example trains from.

`image_id`, `image`, `width`, `height`, and `objects`: lists of equal length, of which `id`, `bbox` (xywh pixels), `area` and `category` (a
ClassLabel) are the example's; the other columns are those of dinolabel.exporters.formats.parquet.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Unpack

import datasets
from datasets.arrow_writer import ArrowWriter

from dinolabel.exporters.formats import parquet
from dinolabel.exporters.output.staging import SCRATCH
from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, ImageCollection, Json
from dinolabel.exporters.pipeline.records import ExportedImage, area_of
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

BATCH = 32  # pictures in memory at once


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Raises ExportRefused."""
    with (
        collect_images(tasks, config, out, name="hf", place=lambda picture: None, **how) as found,
        tempfile.TemporaryDirectory(prefix=SCRATCH, dir=found.tray.folder.parent) as beside,
    ):
        tables, boxes = datasets.DatasetDict(), 1
        for side in found.sides:
            tables[_name(side)] = _table(found, side, Path(beside), boxes)
            boxes += sum(len(each.boxes) for each in found.on_side(side))
        quiet = datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        for side in tables:  # of an earlier run that was stopped
            shutil.rmtree(found.tray.claim(side), ignore_errors=True)
        found.tray.path("dataset_dict.json")
        tables.save_to_disk(found.tray.folder)
        if not quiet:
            datasets.enable_progress_bars()
        found.tray.adopt()
    return found.report


def _name(side: str) -> str:
    return {"all": "train", "val": "validation"}.get(side, side)


def _table(found: ImageCollection, side: str, folder: Path, first: int) -> Any:
    """A memory-mapped table: what is written is on disk and not in memory. first: the number of its first box."""
    path, features = folder / f"{side}.arrow", _features(found)
    writer = ArrowWriter(path=str(path), features=features, writer_batch_size=BATCH)
    for picture in found.on_side(side):
        writer.write(features.encode_example(_row(picture, found, first)))
        first += len(picture.boxes)
    writer.finalize()
    return datasets.Dataset.from_file(str(path))


def _row(picture: ExportedImage, found: ImageCollection, first: int) -> dict[str, Any]:
    row = parquet.row(picture, found)
    boxes = [
        {"id": number, "area": area_of(marked), "category": marked.label, **facts, "bbox": _xywh(facts["bbox"])}
        for number, (marked, facts) in enumerate(zip(picture.boxes, row["objects"], strict=True), first)
    ]
    return {**row, "image_id": picture.task, "objects": {name: [each[name] for each in boxes] for name in _box(found)}}


def _xywh(box: list[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def _box(found: ImageCollection) -> dict[str, Any]:
    text, number, whole = datasets.Value("string"), datasets.Value("float64"), datasets.Value("int64")
    label = datasets.ClassLabel(names=list(found.classes))
    return {
        "id": whole,
        "bbox": datasets.List(number),
        "area": number,
        "category": label,
        "label": label,
        **dict.fromkeys(("given_label", "kind", "verdict"), text),
        "quad": datasets.List(number),
        "origin": text,
        "score": number,
        "region": text,
        "annotation": whole,
        **dict.fromkeys(("annotator", "at", "model_version"), text),
    }


def _features(found: ImageCollection) -> Any:
    text, whole = datasets.Value("string"), datasets.Value("int64")
    return datasets.Features(
        {
            "image_id": whole,
            "image": datasets.Image(),
            "task": whole,
            **dict.fromkeys(("address", "sha256"), text),
            **dict.fromkeys(("width", "height"), whole),
            **dict.fromkeys(("group", "split"), text),
            "objects": {name: datasets.List(kind) for name, kind in _box(found).items()},
            "state": text,
            "unread": datasets.List(dict.fromkeys(("region", "kind", "why"), text)),
        }
    )
