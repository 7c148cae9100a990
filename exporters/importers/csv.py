"""Reads the table `boxes.csv` of an export of ours (dinolabel.exporters.pipeline.rows names the columns).

A row that cannot be used leaves its picture undecided. Pictures: where the table says, as long as they hold the same bytes, or `--media`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common import tables
from dinolabel.exporters.importers.common.picture_search import PictureFinder, find_unmoved
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.vision.storage import spreadsheet
from dinolabel.vision.storage.json_text import parse_json

NEEDED = ("task", "image", "sha256", "width", "height", "label", "x1", "y1", "x2", "y2")
NUMBERS = ("task", "width", "height", "x1", "y1", "x2", "y2", "quad", "score")
Row = dict[str, Any]


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder of boxes.csv, or the file. media: folder with the pictures, found by name or content. Raises ImportUnreadable."""
    file = path if path.is_file() else path / "boxes.csv"
    pictures: dict[tuple[str, ...], list[Row]] = {}
    for row in _rows(file):
        pictures.setdefault((row["task"], row["image"], row["sha256"]), []).append(row)
    near, reading = PictureFinder(media), reading or ImportLog()
    for rows in pictures.values():
        if (arriving := _image(rows, near, file, reading)) is not None:
            yield arriving


def recognise(path: Path) -> Recognition | None:
    """By the columns of its table."""
    file = path if path.is_file() else path / "boxes.csv"
    if file.suffix.lower() != ".csv" or not file.is_file():
        return None
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        columns = opened.readline().strip().split(",")
    return Recognition(f"a table of boxes, by {file.name}") if {*NEEDED} <= {*columns} else None


def _rows(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened)
            missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
            if missing:
                raise ImportUnreadable(
                    f"{file} lacks the column {missing[0]!r}.", hint="It wants the columns of `dinolabel export csv`, and commas between."
                )
            for row in table:
                # None: a line that ends early
                texts = {name: _text(name, value or "") for name, value in row.items() if name is not None}
                yield {**texts, "source": f"line {table.line_num}"}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportUnreadable(f"{file} cannot be read: {error}.") from error


def _text(column: str, cell: str) -> str:
    return cell if column in NUMBERS else spreadsheet.from_cell(cell)


def _image(rows: list[Row], near: PictureFinder, file: Path, reading: ImportLog) -> ImportedImage | None:
    first = rows[0]
    facts = {**first, "address": first["image"], "task": first["task"] or None}
    said, digest = first.get("file", ""), first["sha256"] or None
    here = near.find(first["image"], digest) or find_unmoved(said, digest, original_name(first["image"]))
    full = [each for each in rows if any(each[name] for name in ("label", "x1", "y1", "x2", "y2"))]
    boxes = [{**each, "quad": each.get("quad", "").split()} for each in full]
    try:
        facts["unread"] = parse_json(first.get("unread") or "[]")
        return tables.picture(facts, boxes, reading, name=original_name(first["image"] or said), file=here)
    except (ValueError, TypeError, KeyError) as error:
        raise ImportUnreadable(f"{file}, {first['source']}: {error}.", hint="Mend that row, or leave its picture out.") from error
