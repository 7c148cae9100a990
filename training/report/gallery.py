"""Small pictures for a receipt: a face of each name, and the crops that a head named wrongly."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import PIL.Image
import structlog

from dinolabel.training.data.manifest import CropRow
from dinolabel.training.metrics import EvaluationReport, Outcome
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import MediaError

SIDE = 96  # pixels of a thumbnail's longer side
QUALITY = 80  # of its JPEG: about 3 kB each
MOST_FACES, MOST_WRONG = 60, 12  # that a page carries

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Gallery:
    """faces: name -> JPEG. wrong: what the receipt tells of each crop named wrongly, surest first; thumbnails: their JPEGs, in that order,
    None where a crop cannot be read. count: how many were wrong, shown or not."""

    faces: Mapping[str, bytes] = field(default_factory=dict)
    wrong: Sequence[Mapping[str, Any]] = ()
    thumbnails: Sequence[bytes | None] = ()
    count: int = 0


def collect(report: EvaluationReport | None, rows: Sequence[CropRow], folder: Path) -> Gallery:
    """The pictures of one training. rows: what was learnt from and judged on. folder: the export that holds the crops."""
    by_id = {row.id: row for row in rows}
    outcomes = [each for each in report.outcomes if each.wrong and each.id in by_id] if report is not None else []
    outcomes.sort(key=lambda each: (-each.confidence, each.id))
    shown = [(each, by_id[each.id]) for each in outcomes[:MOST_WRONG]]
    thumbnails = [_thumbnail(folder / row.crop) for _, row in shown]
    return Gallery(_faces(rows, folder), [_wrong_row(outcome, row) for outcome, row in shown], thumbnails, len(outcomes))


def _faces(rows: Sequence[CropRow], folder: Path) -> dict[str, bytes]:
    """The largest crop of each name: what a person knows it by."""
    largest: dict[str, CropRow] = {}
    for row in rows:
        if row.kind == "named" and row.label and (row.label not in largest or _area(row) > _area(largest[row.label])):
            largest[row.label] = row
    found = {name: _thumbnail(folder / largest[name].crop) for name in sorted(largest)[:MOST_FACES]}
    return {name: jpeg for name, jpeg in found.items() if jpeg is not None}


def _wrong_row(outcome: Outcome, row: CropRow) -> dict[str, Any]:
    return {
        "task": row.task,
        "region": row.region,
        "crop": row.crop,
        "name": outcome.truth,
        "answer": outcome.answer,
        "confidence": round(outcome.confidence, 4),
    }


def _area(row: CropRow) -> float:
    return row.box.width * row.box.height


def _thumbnail(path: Path) -> bytes | None:
    try:
        picture = PIL.Image.fromarray(open_image(path).pixels)
    except (MediaError, ValueError) as error:
        log.info("crop_without_thumbnail", crop=path.name, why=str(error))
        return None
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
