"""Reads the Parquet shards of an export of ours: a row per picture, with its bytes and its boxes (formats/parquet.py names
the columns)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dinolabel.exporters.importers.common import tables, temporary_folder
from dinolabel.exporters.importers.common.picture_search import PictureFinder, find_unmoved
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.pipeline.records import original_name

COLUMNS = ("image", "task", "address", "sha256", "width", "height", "objects")
ROWS = 32  # pictures in memory at once


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder, or one shard. media: folder with the pictures, for an export without them. Raises ImportUnreadable."""
    files = [path] if path.is_file() else sorted(path.glob("data/*.parquet")) or sorted(path.glob("*.parquet"))
    if not files:
        raise ImportUnreadable(f"There is no Parquet file in {path}.", hint="Name the folder that holds data/, or one file.")
    yield from pictures((row for file in files for row in _rows(file)), media, reading or ImportLog())


def recognise(path: Path) -> Recognition | None:
    """By the columns of a shard."""
    files = [path] if path.is_file() else [*sorted(path.glob("data/*.parquet")), *sorted(path.glob("*.parquet"))]
    try:
        known = files and files[0].suffix == ".parquet" and {*COLUMNS} <= {*pq.read_schema(files[0]).names}
    except (OSError, pa.ArrowException):
        return None
    return Recognition(f"Parquet, by {files[0].name}") if known else None


def pictures(rows: Iterable[dict[str, Any]], media: Path | None, reading: ImportLog) -> Iterator[ImportedImage]:
    """From rows with the columns of dinolabel.exporters.formats.parquet. Raises ImportUnreadable that names the row."""
    near, folder = PictureFinder(media), temporary_folder.new_folder()
    for number, row in enumerate(rows, 1):
        try:
            if (arriving := _image(row, near, folder, reading)) is not None:
                yield arriving
        except (KeyError, TypeError, ValueError) as error:
            raise ImportUnreadable(f"Row {number} is no picture of ours: {type(error).__name__} {error}.") from error


def check_columns(columns: Iterable[str], where: object) -> None:
    """Raises ImportUnreadable that names the column that is missing."""
    missing = [name for name in COLUMNS if name not in set(columns)]
    if missing:
        raise ImportUnreadable(f"{where} lacks the column {missing[0]!r}.", hint="It wants the columns that `dinolabel export` writes.")


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(file) as table:
            check_columns(table.schema_arrow.names, file)
            for batch in table.iter_batches(batch_size=ROWS):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ImportUnreadable(f"{file} cannot be read: {error}.") from error


def _image(row: dict[str, Any], near: PictureFinder, folder: Path, reading: ImportLog) -> ImportedImage | None:
    image = row["image"] or {}
    name, data, digest = str(image.get("path") or row["address"]), image.get("bytes"), row["sha256"]
    if data is not None:
        file: Path | None = temporary_folder.write(folder, name, data)
    else:
        file = near.find(str(row["address"]), digest) or find_unmoved(name, digest, original_name(str(row["address"])))
    boxes = [_box(each, f"row {at}") for at, each in enumerate(row["objects"] or (), 1)]
    return tables.picture(row, boxes, reading, name=Path(name).name, file=file)


def _box(each: dict[str, Any], place: str) -> dict[str, Any]:
    corners = dict(zip(("x1", "y1", "x2", "y2"), each["bbox"] or (), strict=False))
    return {**each, **corners, "source": f"{place}, {each.get('region') or 'box'}"}
