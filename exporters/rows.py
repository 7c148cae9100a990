"""One flat row per box, and one without a box for each picture that people left empty: what tables are made of.

Knows names and types of columns; nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from dinolabel.exporters.pictures import ExportedBox, ExportedImage

COLUMNS = (
    "task", "image", "file", "sha256", "width", "height", "group", "split", "state",
    "label", "given_label", "kind", "verdict", "x1", "y1", "x2", "y2", "quad",
    "origin", "score", "region", "annotation", "annotator", "at", "model_version", "unread",
)  # fmt: skip
"""image: the task's address. file: the copy's path, else the file read. x1…y2: pixels. quad: eight numbers, rotated boxes only.

state: dinolabel.studio.verdicts.State. unread: marks that could not be used, each with region, kind and why.
"""


def rows(picture: ExportedImage) -> Iterator[dict[str, Any]]:
    """All rows of a picture; columns that do not apply are None."""
    facts = {
        "task": picture.task,
        "image": picture.address,
        "file": picture.placed or picture.file,
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        "group": picture.group,
        "split": picture.side,
    }
    doubts = doubt_facts(picture)
    for each in picture.boxes:
        yield facts | box_facts(each) | doubts
    if not picture.boxes:
        yield dict.fromkeys(COLUMNS) | facts | doubts


def doubt_facts(picture: ExportedImage) -> dict[str, Any]:
    """What may be said of a picture besides its boxes."""
    return {"state": picture.state, "unread": [asdict(each) for each in picture.unread]}


def box_facts(marked: ExportedBox) -> dict[str, Any]:
    return {
        "label": marked.label,
        "given_label": marked.given,
        "kind": marked.kind,
        "verdict": marked.verdict,
        "x1": marked.box.x1,
        "y1": marked.box.y1,
        "x2": marked.box.x2,
        "y2": marked.box.y2,
        "quad": None if marked.quad is None else [number for corner in marked.quad for number in corner],
        **provenance(marked),
    }


def provenance(marked: ExportedBox) -> dict[str, Any]:
    """Where a box came from and who decided it."""
    return {
        "origin": marked.origin,
        "score": marked.score,
        "region": marked.region,
        "annotation": marked.annotation,
        "annotator": marked.who,
        "at": marked.at,
        "model_version": marked.model_version,
    }
