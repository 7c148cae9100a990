"""One table, `boxes.csv`: a row per box, and one without a box for each picture that people left empty.

UTF-8, comma, quotes where needed; a text that a spreadsheet would compute stands behind a `'`. Columns: dinolabel.exporters.pipeline.rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Unpack

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.collect import collect_images
from dinolabel.exporters.pipeline.collection import ExportContext, Json
from dinolabel.exporters.pipeline.records import COLUMNS, rows
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.storage import spreadsheet


def export(tasks: Iterable[Json], config: LabelConfig, out: Path, **how: Unpack[ExportContext]) -> ExportReport:
    """Write `out`, whole or not at all. Pictures are not copied: `file` says where they are. Raises ExportRefused."""
    how["wish"] = how.get("wish", ExportOptions()).with_undecided()
    with (
        collect_images(tasks, config, out, name="csv", place=lambda picture: None, **how) as found,
        found.tray.path("boxes.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(_cells(row) for picture in found for row in rows(picture))
    return found.report


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    quad = row["quad"] and " ".join(f"{number:.4f}" for number in row["quad"])
    plain = {key: spreadsheet.to_cell(each) if isinstance(each, str) else each for key, each in row.items()}
    return plain | {"quad": quad, "unread": json.dumps(row["unread"], ensure_ascii=False) if row["unread"] else None}
