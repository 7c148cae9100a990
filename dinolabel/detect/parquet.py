"""What `dinolabel detect` saw as one Parquet table, which pandas, DuckDB, Polars and Spark read.

A row per box; a picture without any has one row whose box columns are null, so that none is missing; one that failed has its reason
in `error`. x1, y1, x2, y2: pixels of the upright picture. The file's metadata holds format, prompt, weights, head and thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dinolabel.vision.storage.atomic_files import atomic_file

GROUP_ROWS = 10_000
"""All that is in memory at once."""
COLUMNS = [
    ("file", pa.string()), ("width", pa.int32()), ("height", pa.int32()), ("label", pa.string()), ("phrase", pa.string()),
    ("score", pa.float32()), ("confidence", pa.float32()), ("guess", pa.string()),
    ("x1", pa.float32()), ("y1", pa.float32()), ("x2", pa.float32()), ("y2", pa.float32()), ("error", pa.string()),
]  # fmt: skip


def write(path: Path, facts: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> None:
    """entries: as images.entry and images.failure say. At once or not at all."""
    schema = pa.schema(COLUMNS, metadata={"dinolabel": json.dumps(facts, ensure_ascii=False)})
    with atomic_file(path) as half, pq.ParquetWriter(half, schema) as file:
        rows = _rows(entries)
        while group := list(islice(rows, GROUP_ROWS)):
            file.write_table(pa.Table.from_pylist(group, schema=schema))


def _rows(entries: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in entries:
        picture = {name: each.get(name) for name in ("file", "width", "height", "error")}
        for box in each.get("found") or [{}]:
            corners = dict(zip(("x1", "y1", "x2", "y2"), box.get("box", ()), strict=False))
            yield picture | {name: box.get(name) for name in ("label", "phrase", "score", "confidence", "guess")} | corners
