"""The lists beside the crops: manifest.jsonl for training, and in crops/ a typed table and a card, by which `datasets` reads the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image

from dinolabel.exporters.output.dataset_card import README, card_text, is_ours_to_write
from dinolabel.exporters.safe_names import safe
from dinolabel.vision.images.crop_id import CropId
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Pixels

if TYPE_CHECKING:
    from dinolabel.exporters.output.atomic_output import OutputFolder

MANIFEST = "manifest.jsonl"
LISTS = "crops"  # the folder that readers of classes are pointed at
TABLE = "metadata.parquet"
SIDE_TABLES = {"train": "train.parquet", "val": "val.parquet"}  # beside the sides: in them some readers take any file for a picture
TABLES = (f"{LISTS}/{TABLE}", *(f"{LISTS}/{name}" for name in SIDE_TABLES.values()))
METADATA = f"{LISTS}/metadata.jsonl"  # what the table was at first
CROPS_README = f"{LISTS}/{README}"
COMPRESSION = 1  # of PNG: lossless all the same, and five times faster than the default for a few per cent of disk
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CropPlace:
    """Where a crop of a named object lies below crops/. side: train or val; "" in a folder without sides."""

    side: str
    folder: str
    name: str

    def on(self, side: str) -> str:
        """The same crop's path on a side."""
        return f"{LISTS}/{side}/{self.folder}/{self.name}"


def place_in_lists(path: str) -> CropPlace | None:
    """None for a crop that lies elsewhere: nobody named it, or it is a second view."""
    first, *rest = path.split("/")
    if first != LISTS or len(rest) not in (2, 3):
        return None
    return CropPlace(rest[0] if len(rest) == 3 else "", rest[-2], rest[-1])


def file_names(crop: CropId, suffix: str) -> Iterator[str]:
    """Names that a crop's file may have: the first that is free is the one, nearly always the shortest."""
    stem = f"{crop.task}-{safe(crop.region)}"
    return (f"{stem}{part}{suffix}" for part in chain([""], (f"-{crop.annotation}{'_' * more}" for more in count())))


def layout_of(out: Path) -> str:
    """How the crops that lie there are laid out, so that their folder goes on so: `flat`, or `splits`, as new ones are."""
    try:
        with (out / MANIFEST).open(encoding="utf-8") as lines:
            places = (place_in_lists(str(parse_json(line).get("crop"))) for line in lines)
            first = next((each for each in places if each is not None), None)
    except (OSError, ValueError, AttributeError):
        return "splits"
    return "flat" if first is not None and not first.side else "splits"


def save(pixels: Pixels, to: Path) -> None:
    """A crop as PNG, whole or not at all."""
    with atomic_file(to) as part:
        PIL.Image.fromarray(pixels).save(part, format="PNG", compress_level=COMPRESSION)


def write_lists(rows: Iterable[Json], tray: OutputFolder, out: Path, *, flat: bool) -> None:
    """rows: of the manifest. The tables have those of named crops only: they are what lies below crops/. out: where the export will be."""
    from dinolabel.exporters.output import crop_table

    table = crop_table.CropTables(lambda side: tray.path(f"{LISTS}/{SIDE_TABLES.get(side, TABLE)}"))
    labels: set[str] = set()
    pictures: dict[str, int] = {}
    with tray.path(MANIFEST).open("w", encoding="utf-8", newline="\n") as manifest, table:
        for row in rows:
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
            if (place := place_in_lists(row["crop"])) is not None:
                table.add(place.side, {**row, "file_name": row["crop"].removeprefix(f"{LISTS}/"), "sha256": row["image"]})
                labels.add(row["label"])
                pictures[place.side] = pictures.get(place.side, 0) + 1
    if pictures and is_ours_to_write(out, CROPS_README):
        tray.path(CROPS_README).write_text(_card(pictures, len(labels), flat=flat), encoding="utf-8")


def _card(pictures: Mapping[str, int], labels: int, *, flat: bool) -> str:
    sides = [("train", "train"), ("val", "validation")]
    # each picture twice, of which nothing comes: with as many tables as pictures, the reader would take the tables for the data
    files = {name: [f"{side}/**", f"{side}/*/*", SIDE_TABLES[side]] for side, name in sides if side in pictures}
    files = {"train": ["**"]} if flat else files
    names = {} if flat else {"metadata_filenames": list(SIDE_TABLES.values())}
    facts = {
        "crops": f"{sum(pictures.values()):,}" + "".join(f", {side} {number:,}" for side, number in sorted(pictures.items()) if side),
        "classes": f"{labels:,}: `label` in the table, and the folders, whose names are made safe for every file system",
        "decided by": "people",
    }
    return card_text(
        "Crops of named objects",
        facts,
        task="image-classification",
        rows=sum(pictures.values()),
        files=files,
        **names,
    )
