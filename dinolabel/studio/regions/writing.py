"""Answers as Label Studio regions: the wire shape of rectangles. The way back is dinolabel.studio.regions.reading's; what a region means,
dinolabel.studio.reviews.decisions'."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.notes import write_notes
from dinolabel.studio.regions.reading import ResultReading, overlap, read, regions
from dinolabel.studio.regions.region import Quad, Region
from dinolabel.studio.regions.shapes import names_of
from dinolabel.vision.types import QUARTER, Box, Detection, Named, Unknown

__all__ = [
    "NOTHING",
    "SUREST",
    "Quad",
    "Region",
    "RegionDict",
    "ResultReading",
    "draw_region",
    "names_of",
    "overlap",
    "read",
    "regions",
    "to_percent",
    "to_prediction",
    "to_result",
]

RegionDict = dict[str, Any]
NOTHING, SUREST = 1.0, 0.9999
"""Score of a prediction without a region: by score such come last. The most that one with regions has, so that the two are told apart."""


def to_result(
    detections: Iterable[Detection], config: LabelConfig, *, width: int, height: int, task: int, version: str, fresh: bool = False
) -> list[RegionDict]:
    """Detections as the `result` of a prediction, in reading order (people walk boxes in this order).

    Left out: what the config has no label for (a label of "" sends the box without one), and boxes with less than a pixel inside the
    image. Region ids are derived from task, box, phrase and version; fresh=True makes new ones, which interactive answers need (a
    repeated id overwrites an accepted region).
    """
    result: list[RegionDict] = []
    used: set[str] = set()
    placed = [(box, each) for each in detections if (box := each.box.clip(width, height))]
    for box, detection in _reading_order(placed):
        label = config.label_for(detection)
        if label is None:
            continue
        identity = uuid.uuid4().hex[:10] if fresh else _identity(task, box, detection.phrase, version, used)
        used.add(identity)
        result.append(_region(identity, label, box, detection, config, width, height))
    return result


def to_prediction(task_id: int, result: Sequence[RegionDict], version: str) -> dict[str, Any]:
    """What the bulk import takes. score: of the least certain region, so that sorting by it finds work; NOTHING when there is none."""
    score = min((SUREST, *(float(each["score"]) for each in result))) if result else NOTHING
    return {"task": task_id, "result": list(result), "score": score, "model_version": version}


def to_percent(box: Box, width: int, height: int) -> dict[str, float]:
    """x, y, width, height of a box (pixels) in percent of an image of width x height pixels."""
    return {"x": 100 * box.x1 / width, "y": 100 * box.y1 / height, "width": 100 * box.width / width, "height": 100 * box.height / height}


def draw_region(
    identity: str, label: str | None, box: Box, config: LabelConfig, *, width: int, height: int, quad: Quad | None = None, note: str = ""
) -> RegionDict:
    """A region as a person draws it. box: pixels. quad: corners when rotated, clockwise from the turned top-left one. note: for people."""
    rotation = 0.0
    value = to_percent(box, width, height)
    if quad is not None:
        (x1, y1), (x2, y2), _, (x4, y4) = quad
        rotation = math.degrees(math.atan2(y2 - y1, x2 - x1)) % 360
        value = {"x": 100 * x1 / width, "y": 100 * y1 / height}
        value |= {"width": 100 * math.dist((x1, y1), (x2, y2)) / width, "height": 100 * math.dist((x1, y1), (x4, y4)) / height}
    return {
        **_rectangle(identity, config, width, height),
        "origin": "manual",
        "value": {**value, "rotation": rotation, **({"rectanglelabels": [label]} if label is not None else {})},
        **({"meta": {"text": write_notes([note])}} if note else {}),
    }


def _region(identity: str, label: str, box: Box, detection: Detection, config: LabelConfig, width: int, height: int) -> RegionDict:
    answer = detection.answer
    return {
        **_rectangle(identity, config, width, height),
        "score": answer.confidence if isinstance(answer, Named) and config.current_name(answer.label) == label else detection.score,
        "value": {
            **to_percent(box, width, height),
            "rotation": 0,
            "rectanglelabels": [label] if label else [],
        },
        "meta": {"text": write_notes(_notes(detection, config))},
    }


def _rectangle(identity: str, config: LabelConfig, width: int, height: int) -> RegionDict:
    """What every rectangle of a project has, whoever made it."""
    return {
        "id": identity,
        "from_name": config.control,
        "to_name": config.object_name,
        "type": "rectanglelabels",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }


def _notes(detection: Detection, config: LabelConfig) -> list[str]:
    """What a person sees beside the region: what the words matched, the head's best guess when it abstained, and the approved boxes that
    the answer leans on, by their task and cosine similarity."""
    lines = [f"{detection.phrase} {detection.score:.2f}"]
    if isinstance(detection.answer, Unknown) and detection.answer.nearest is not None:
        lines.append(f"perhaps {config.current_name(detection.answer.nearest)} {detection.answer.confidence:.2f}")
    if isinstance(detection.answer, Named | Unknown) and detection.answer.because:
        alike = ", ".join(f"task {each.task} ({1 - each.distance:.2f})" for each in detection.answer.because)
        lines.append(f"most like {alike}")
    return lines


def _identity(task: int, box: Box, phrase: str, version: str, used: set[str]) -> str:
    corners = ",".join(str(round(each / QUARTER)) for each in box.xyxy)
    for again in range(len(used) + 1):
        text = "|".join((str(task), corners, phrase, version, *([str(again)] if again else [])))
        identity = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:10]
        if identity not in used:
            return identity
    raise AssertionError("unreachable: one more identity than regions was tried")


def _reading_order(placed: list[tuple[Box, Detection]]) -> list[tuple[Box, Detection]]:
    """Rows from top to bottom, each from left to right. A box is in a row when its middle is above the row's first box's end."""
    rows: list[list[tuple[Box, Detection]]] = []
    for each in sorted(placed, key=lambda pair: (pair[0].y1, pair[0].xyxy, pair[1].phrase)):
        middle = (each[0].y1 + each[0].y2) / 2
        if rows and middle < rows[-1][0][0].y2:
            rows[-1].append(each)
        else:
            rows.append([each])
    return [each for row in rows for each in sorted(row, key=lambda pair: (pair[0].xyxy, pair[1].phrase))]
