"""Parquet shards, `data/train-00000.parquet`, …: a row per picture with its bytes and a list of its boxes.

The columns are those of dinolabel.exporters.pipeline.rows; pandas, pyarrow, DuckDB and `datasets` read them. Boxes are xyxy pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
import pyarrow.parquet as pq

from dinolabel.exporters.output.image_copies import encode_bytes
from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, ImageCollection, Json, shard_name
from dinolabel.exporters.pipeline.records import ExportedImage, box_facts, doubt_facts
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig

SHARD_BYTES = 256 * 2**20
GROUP_BYTES = 16 * 2**20
GROUP_ROWS = 1000
"""A row group is written when it has this many bytes of pictures or rows: it is all that is in memory at once."""

_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
BOX = pa.struct(
    [
        ("bbox", pa.list_(_NUMBER)), ("label", _TEXT), ("given_label", _TEXT), ("kind", _TEXT), ("verdict", _TEXT),
        ("quad", pa.list_(_NUMBER)), ("origin", _TEXT), ("score", _NUMBER), ("region", _TEXT), ("annotation", _WHOLE),
        ("annotator", _TEXT), ("at", _TEXT), ("model_version", _TEXT),
    ]
)  # fmt: skip
COLUMNS = [
    ("image", pa.struct([("bytes", pa.binary()), ("path", _TEXT)])), ("task", _WHOLE), ("address", _TEXT), ("sha256", _TEXT),
    ("width", _WHOLE), ("height", _WHOLE), ("group", _TEXT), ("split", _TEXT), ("objects", pa.list_(BOX)),
    ("state", _TEXT), ("unread", pa.list_(pa.struct([("region", _TEXT), ("kind", _TEXT), ("why", _TEXT)]))),
]  # fmt: skip


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all; with `pictures="none"` rows have a path and no bytes. Raises ExportRefused."""
    with collect_images(tasks, config, out, name="parquet", place=lambda picture: None, **how) as found:
        for side in found.sides:
            for number, shard in enumerate(_shards(found, side)):
                path = found.tray.path(f"data/{shard_name(side)}-{number:05}.parquet")
                with pq.ParquetWriter(path, _schema()) as file:
                    for rows in shard:
                        file.write_table(pa.Table.from_pylist(rows, schema=_schema()))
    return found.report


def row(picture: ExportedImage, found: ImageCollection) -> dict[str, Any]:
    """One picture. Its bytes are a copy's: upright, in a format that every tool opens."""
    data = None if found.wish.pictures == "none" else encode_bytes(Path(picture.file), found.open_image(picture.address))
    return {
        "image": {"bytes": data, "path": picture.name if data is not None else picture.file},
        "task": picture.task,
        "address": picture.address,
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        "group": picture.group,
        "split": picture.side,
        "objects": [_box(box_facts(each)) for each in picture.boxes],
        **doubt_facts(picture),
    }


def _box(facts: dict[str, Any]) -> dict[str, Any]:
    return {"bbox": [facts.pop(name) for name in ("x1", "y1", "x2", "y2")], **facts}


def _shards(found: ImageCollection, side: str) -> Iterator[Iterator[list[dict[str, Any]]]]:
    """Row groups by shard; at least one shard, so that a side without pictures is a table without rows."""
    groups = _groups(found, side)
    first: list[dict[str, Any]] | None = next(groups, [])
    while first is not None:
        following: list[list[dict[str, Any]] | None] = [None]

        def shard(first: list[dict[str, Any]] = first, following: list[Any] = following) -> Iterator[list[dict[str, Any]]]:
            size = 0
            group: list[dict[str, Any]] | None = first
            while group is not None and (size == 0 or size + _size(group) <= SHARD_BYTES):
                size += _size(group) + 1
                yield group
                group = next(groups, None)
            following[0] = group

        yield shard()
        first = following[0]


def _groups(found: ImageCollection, side: str) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for picture in found.on_side(side):
        group.append(row(picture, found))
        if len(group) >= GROUP_ROWS or _size(group[-1:]) + _size(group[:-1]) >= GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _size(group: list[dict[str, Any]]) -> int:
    return sum(len(each["image"]["bytes"] or b"") for each in group)


def _schema() -> pa.Schema:
    """With what `datasets` wants to know: that `image` is one."""
    features = {name: {"_type": "Image"} if name == "image" else _feature(kind) for name, kind in COLUMNS}
    return pa.schema(
        COLUMNS, metadata={"huggingface": json.dumps({"info": {"features": features}}), "dinolabel": json.dumps({"format": 1})}
    )


def _feature(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {each.name: _feature(each.type) for each in kind}
    return {"dtype": "float64" if kind == _NUMBER else str(kind), "_type": "Value"}
