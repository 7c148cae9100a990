"""The two lists beside the crops: manifest.jsonl for training, and metadata.jsonl that Hugging Face's imagefolder reads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image

from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.types import Pixels

if TYPE_CHECKING:
    from dinolabel.exporters.output.atomic_output import OutputFolder

MANIFEST = "manifest.jsonl"
METADATA = "crops/metadata.jsonl"
COMPRESSION = 1  # of PNG: lossless all the same, and five times faster than the default for a few per cent of disk
SHOWN = ("label", "view", "task", "annotation", "region", "box", "width", "height", "group", "who", "at", "model_version")


def save(pixels: Pixels, to: Path) -> None:
    """A crop as PNG, whole or not at all."""
    with atomic_file(to) as part:
        PIL.Image.fromarray(pixels).save(part, format="PNG", compress_level=COMPRESSION)


def write_lists(entries: Iterable[Mapping[str, Any]], tray: OutputFolder) -> None:
    """entries: of each picture its `rows`. metadata.jsonl has the named ones only: they are what lies below crops/."""
    with tray.path(MANIFEST).open("w", encoding="utf-8", newline="\n") as manifest:
        for entry in entries:
            manifest.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in entry["rows"])
    with tray.path(MANIFEST).open(encoding="utf-8") as manifest:
        named = (row for row in map(json.loads, manifest) if row["crop"].startswith("crops/"))
        lines = (json.dumps(_metadata_row(row)) for row in named)
        first = next(lines, None)
        if first is None:
            return  # imagefolder refuses a list without pictures
        with tray.path(METADATA).open("w", encoding="utf-8", newline="\n") as metadata:
            metadata.writelines(line + "\n" for line in itertools.chain([first], lines))


def _metadata_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Not under the name `image`: that column is the crop itself."""
    return {"file_name": row["crop"].removeprefix("crops/"), **{name: row[name] for name in SHOWN}, "sha256": row["image"]}
