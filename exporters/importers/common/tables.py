"""A picture from a table of ours: what CSV, Parquet and Hugging Face's form have in common (dinolabel.exporters.pipeline.rows names the
columns).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, label_of
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Point

Row = Mapping[str, Any]


def picture(facts: Row, boxes: Iterable[Row], reading: ImportLog, *, name: str, file: Path | None) -> ImportedImage | None:
    """None for a picture that is refused. facts: task, address, sha256, width, height, state, unread. boxes: label, corners, quad,
    verdict, score, source of each; one that cannot be used is a mark that could not be read. Raises KeyError, TypeError, ValueError
    for what is no picture of ours."""
    size, task = (int(facts["width"]), int(facts["height"])), facts.get("task")
    number = None if task is None else int(task)
    frame = reading.frame_of(name, file, size, [], seen_upright=True)
    if frame is None:
        return None
    found, unread = boxes_of(map(mark, boxes), frame)
    return ImportedImage(
        name=name,
        file=file,
        width=frame.upright[0],
        height=frame.upright[1],
        boxes=found,
        task=number,
        address=facts.get("address") or None,
        sha256=facts.get("sha256") or None,
        unread=(*restore_unread(facts.get("unread")), *unread),
        looked_at=facts.get("state") != "untouched",
    )


def mark(facts: Row) -> ImportedMark | Unread:
    """Corners x1 … y2, or the four of `quad`, in pixels of the upright picture."""
    source, quad = str(facts["source"]), points_of(facts.get("quad"))
    try:
        x1, y1, x2, y2 = (float(facts[name]) for name in ("x1", "y1", "x2", "y2"))
        score = None if facts.get("score") in (None, "") else float(facts["score"])
    except (TypeError, ValueError, KeyError):
        return Unread(source, "box", "its corners or its score are no numbers")
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
        return Unread(source, "box", "its corners enclose nothing")
    points = quad if len(quad) == 4 else ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    return ImportedMark(label(facts), points, source, len(quad) == 4, facts.get("verdict") != "unverified", score)


def label(facts: Row) -> str | None:
    """What people gave: nothing, for a box that went out under the label of what was looked for."""
    if "given_label" in facts and facts["given_label"] in (None, ""):
        return None
    return label_of(facts.get("label"))


def points_of(numbers: Any) -> tuple[Point, ...]:
    """Pairs of x and y, from flat numbers or pairs; none where one is no number."""
    flat = [each for one in numbers or () for each in (one if isinstance(one, list | tuple) else (one,))]
    try:
        values = [float(each) for each in flat]
    except (TypeError, ValueError, OverflowError):
        return ()
    if len(values) % 2 or not all(map(math.isfinite, values)):
        return ()
    return tuple(zip(values[0::2], values[1::2], strict=True))


def restore_unread(entries: Any) -> Iterator[Unread]:
    """Marks that an export of ours remembers as not used. One that says nothing of itself is one all the same."""
    for each in entries if isinstance(entries, list | tuple) else [entries] if entries else ():
        said = each if isinstance(each, Mapping) else {}
        yield Unread(str(said.get("region", "")), str(said.get("kind", "mark")), str(said.get("why", "it could not be used")))
