"""`train.parquet`, `val.parquet` of crops: the list that `datasets` reads with a folder of pictures. Its columns have types.

Of lines of JSON a reader guesses types by the first ten megabytes: dates become times, 10.5 after whole numbers becomes 10, and a column
that began with nulls ends it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

_TEXT, _WHOLE = pa.string(), pa.int64()
SCHEMA = pa.schema(
    [
        ("file_name", _TEXT), ("label", _TEXT), ("view", _TEXT), ("task", _WHOLE), ("annotation", _WHOLE), ("region", _TEXT),
        ("box", pa.list_(pa.float64())), ("width", _WHOLE), ("height", _WHOLE), ("group", _TEXT), ("who", _TEXT), ("at", _TEXT),
        ("model_version", _TEXT), ("sha256", _TEXT),
    ]
)  # fmt: skip
"""file_name: relative to the table. Not under the name `image`: that column is the crop itself."""

GROUP_ROWS = 1000
Row = Mapping[str, Any]


class CropTables:
    """Tables by side, each begun with its first row: readers refuse a list without pictures. path: where the table of a side goes."""

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path, self._open, self._waiting = path, ExitStack(), dict[str, list[Row]]()
        self._tables: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for side in self._waiting:
            self._flush(side)
        self._open.close()

    def add(self, side: str, row: Row) -> None:
        """side: "" in a folder without sides. A row has all columns, and may have more."""
        waiting = self._waiting.setdefault(side, [])
        waiting.append(row)
        if len(waiting) >= GROUP_ROWS:
            self._flush(side)

    def _flush(self, side: str) -> None:
        if side not in self._tables:
            self._tables[side] = self._open.enter_context(pq.ParquetWriter(self._path(side), SCHEMA))
        if rows := self._waiting[side]:
            self._tables[side].write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
            rows.clear()


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a table; none where it cannot be read."""
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(GROUP_ROWS):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException):
        return


def rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Replace a table by one whose rows are changed, or left out where that gives None; one without rows goes."""
    half, left = path.with_name(f".{path.name}.half"), 0
    with pq.ParquetWriter(half, SCHEMA) as table:
        for start in _groups(rows_of(path)):
            rows = [changed for row in start if (changed := change(row)) is not None]
            left += len(rows)
            table.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    if left:
        os.replace(half, path)
        return
    half.unlink()
    path.unlink()


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP_ROWS:
            yield group
            group = []
    yield group
