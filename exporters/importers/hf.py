"""Reads a folder of `datasets.load_from_disk` that an export of ours wrote: the columns of dinolabel.exporters.formats.parquet, labels by
number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.parquet import check_columns, pictures
from dinolabel.vision.storage.json_text import parse_json

SIDES = "dataset_dict.json"


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder that was saved. media: folder with the pictures, for an export without them. Raises ImportUnreadable."""
    try:
        sides = parse_json((path / SIDES).read_text(encoding="utf-8"))["splits"] if (path / SIDES).is_file() else ["."]
        tables = [table for side in sides if (table := _table(path / PurePath(side).name)) is not None]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImportUnreadable(f"{path} is no folder of load_from_disk: {error}.") from error
    for table in tables:
        check_columns(table.column_names, path)
    yield from pictures((row for table in tables for row in _rows(table)), media, reading or ImportLog())


def recognise(path: Path) -> Recognition | None:
    """By what `save_to_disk` writes beside the data."""
    known = (path / SIDES).is_file() or ((path / "state.json").is_file() and (path / "dataset_info.json").is_file())
    return Recognition("a folder of datasets.load_from_disk") if known else None


def _table(folder: Path) -> Any:
    """None for a side without pictures, which the library writes and does not open."""
    if not parse_json((folder / "state.json").read_text(encoding="utf-8"))["_data_files"]:
        return None
    import datasets  # a second, which nobody else who reads a data set should wait

    return datasets.Dataset.load_from_disk(str(folder))


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    """Labels by their names; pictures as they are, not decoded."""
    import datasets

    objects = table.features["objects"]
    listed = isinstance(objects, dict)  # in exports of before a list of boxes, with xyxy
    label = objects["label"].feature if listed else objects.feature["label"]
    for row in table.cast_column("image", datasets.Image(decode=False)):
        boxes = _boxes(row["objects"]) if listed else row["objects"]
        yield {**row, "objects": [{**each, "label": _name(label, each["label"])} for each in boxes]}


def _boxes(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A row per box, with corners for sizes."""
    boxes = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    return [{**each, "bbox": _corners(*each["bbox"])} for each in boxes]


def _corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [x, y, x + width, y + height]


def _name(label: Any, number: Any) -> Any:
    return label.int2str(number) if hasattr(label, "int2str") and number is not None else number
