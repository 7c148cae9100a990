"""A `DatasetDict` for Hugging Face's `datasets.load_from_disk`: pictures inside, boxes in `objects`, labels as a ClassLabel.

The columns are those of dinolabel.exporters.formats.parquet. Boxes are xyxy pixels.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Unpack

import datasets
from datasets.arrow_writer import ArrowWriter

from dinolabel.exporters.formats.parquet import row
from dinolabel.exporters.output.staging import SCRATCH
from dinolabel.exporters.pipeline.collect import ExportContext, ImageCollection, Json, collect_images
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

BATCH = 32  # pictures in memory at once


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Raises ExportRefused."""
    with (
        collect_images(tasks, config, out, name="hf", place=lambda picture: None, **how) as found,
        tempfile.TemporaryDirectory(prefix=SCRATCH, dir=found.tray.folder.parent) as beside,
    ):
        tables = datasets.DatasetDict({_name(side): _table(found, side, Path(beside)) for side in _sides(found)})
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


def _sides(found: ImageCollection) -> tuple[str, ...]:
    """Those with pictures: `load_from_disk` opens no table without a row."""
    return tuple(side for side in found.sides if found.report.sides.get(side)) or found.sides[:1]


def _name(side: str) -> str:
    return {"all": "train", "val": "validation"}.get(side, side)


def _table(found: ImageCollection, side: str, folder: Path) -> Any:
    """A memory-mapped table: what is written is on disk and not in memory."""
    path, features = folder / f"{side}.arrow", _features(found)
    writer = ArrowWriter(path=str(path), features=features, writer_batch_size=BATCH)
    for picture in found.on_side(side):
        writer.write(features.encode_example(row(picture, found)))
    writer.finalize()
    return datasets.Dataset.from_file(str(path))


def _features(found: ImageCollection) -> Any:
    text, number, whole = datasets.Value("string"), datasets.Value("float64"), datasets.Value("int64")
    box = {
        "bbox": datasets.List(number),
        "label": datasets.ClassLabel(names=list(found.classes)),
        **dict.fromkeys(("given_label", "kind", "verdict"), text),
        "quad": datasets.List(number),
        "origin": text,
        "score": number,
        "region": text,
        "annotation": whole,
        **dict.fromkeys(("annotator", "at", "model_version"), text),
    }
    return datasets.Features(
        {
            "image": datasets.Image(),
            "task": whole,
            **dict.fromkeys(("address", "sha256"), text),
            **dict.fromkeys(("width", "height"), whole),
            **dict.fromkeys(("group", "split"), text),
            "objects": datasets.List(box),
            "state": text,
            "unread": datasets.List(dict.fromkeys(("region", "kind", "why"), text)),
        }
    )
