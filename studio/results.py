"""Answers to Label Studio regions and back: the only place where percent and region dictionaries exist.

Knows the wire shape of rectangles; what a region means for training is studio.tasks'.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.label_config import LabelConfig
from vision.types import QUARTER, Box, Detection, Named, Unknown

RegionDict = dict[str, Any]
Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
NOTHING, SUREST = 1.0, 0.9999
"""Score of a prediction without a region: by score such come last. The most that one with regions has, so that the two are told apart."""


@dataclass(frozen=True, slots=True)
class Region:
    """One rectangle of a result, in our terms.

    id: unique within its result, also where Label Studio's was not. label: one of the config's, or None when it says nothing.
    box: pixels of the upright image, clipped; the upright hull when the region is rotated. rotation: degrees, clockwise.
    origin: prediction, prediction-changed, manual, or None. score: as stored, or None. width, height: of the upright image, pixels.
    quad: the four corners of a rotated region in pixels, not clipped, clockwise from its own top-left one; None when it is upright.
    """

    id: str
    label: str | None
    box: Box
    rotation: float
    origin: str | None
    score: float | None
    width: int
    height: int
    quad: Quad | None = None


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
    placed = [(box, each) for each in detections if (box := each.box.clipped(width, height))]
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


def drawn(
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
        **({"meta": {"text": [note]}} if note else {}),
    }


def regions(result: Iterable[Any], config: LabelConfig, *, size: tuple[int, int] | None = None) -> list[Region]:
    """The rectangles of our control in a result. Other shapes and controls, malformed, empty and outlying ones are left out.

    size: width and height of the upright image, where known; else each region's own, else that of another region of the result.
    """
    return [region for region, _ in identified(result, config, size=size)]


def identified(
    result: Iterable[Any], config: LabelConfig, *, size: tuple[int, int] | None = None
) -> list[tuple[Region, Mapping[str, Any]]]:
    """Like `regions`, each beside the entry it was read from."""
    entries = [each for each in result if isinstance(each, Mapping) and each.get("from_name") == config.control]
    fallback = size or next(filter(None, map(_size, entries)), None)
    found: list[tuple[Region, Mapping[str, Any]]] = []
    counts: dict[str, int] = {}
    for each in entries:
        value, frame = each.get("value"), size or _size(each) or fallback
        if not isinstance(value, Mapping) or frame is None or (placed := _placed(value, frame)) is None:
            continue
        box, quad = placed
        counts[str(each.get("id"))] = count = counts.get(str(each.get("id")), 0) + 1
        identity = f"{each.get('id')}~{count}" if count > 1 else str(each.get("id"))
        label = _label(value.get("rectanglelabels"), config)
        origin, rotation = each.get("origin"), _number(value.get("rotation")) or 0.0
        found.append((Region(identity, label, box, rotation, origin and str(origin), _number(each.get("score")), *frame, quad), each))
    return found


def overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """IoU of two region dictionaries of one picture, 0..1, upright hulls; 0 when one of them is no rectangle."""
    fine = (10_000, 10_000)  # per cent of any picture, in hundredths: a box is not lost for being small
    placed = [_placed(value, fine) if isinstance(value := each.get("value"), Mapping) else None for each in (one, other)]
    return placed[0][0].iou(placed[1][0]) if placed[0] is not None and placed[1] is not None else 0.0


def _region(identity: str, label: str, box: Box, detection: Detection, config: LabelConfig, width: int, height: int) -> RegionDict:
    answer = detection.answer
    return {
        **_rectangle(identity, config, width, height),
        "score": answer.confidence if isinstance(answer, Named) and config.today(answer.label) == label else detection.score,
        "value": {
            **to_percent(box, width, height),
            "rotation": 0,
            "rectanglelabels": [label] if label else [],
        },
        "meta": {"text": _note(detection, config)},
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


def _note(detection: Detection, config: LabelConfig) -> list[str]:
    """What a person sees beside the region: what the words matched, the head's best guess when it abstained, and the approved boxes that
    the answer leans on, by their task and cosine similarity."""
    lines = [f"{detection.phrase} {detection.score:.2f}"]
    if isinstance(detection.answer, Unknown) and detection.answer.nearest is not None:
        lines.append(f"perhaps {config.today(detection.answer.nearest)} {detection.answer.confidence:.2f}")
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


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = (_number(entry.get(name)) for name in ("original_width", "original_height"))
    return (int(width), int(height)) if width and height and width >= 1 and height >= 1 else None


def _placed(value: Mapping[str, Any], frame: tuple[int, int]) -> tuple[Box, Quad | None] | None:
    """Pixels of the upright hull, clipped, and the corners when turned. x, y is the turned top-left corner; clockwise, in pixels
    (percent is not isotropic)."""
    numbers = [_number(value.get(name)) for name in ("x", "y", "width", "height")]
    if any(each is None for each in numbers):
        return None
    x, y, w, h = (float(each or 0) * side / 100 for each, side in zip(numbers, frame * 2, strict=True))
    if w <= 0 or h <= 0:
        return None
    turn = math.radians((_number(value.get("rotation")) or 0.0) % 360)
    cos, sin = (math.cos(turn), math.sin(turn)) if turn else (1.0, 0.0)
    across, down = ([0.0, w * cos, w * cos - h * sin, -h * sin], [0.0, w * sin, w * sin + h * cos, h * cos])
    # Six decimals undo the rounding of the trip through percent: a box on the quarter-pixel grid comes back on it.
    corners = [round(each, 6) for each in (x + min(across), y + min(down), x + max(across), y + max(down))]
    box = Box(*corners).clipped(*frame) if corners[0] < corners[2] and corners[1] < corners[3] else None
    if box is None:
        return None
    first, second, third, fourth = ((x + right, y + below) for right, below in zip(across, down, strict=True))
    return box, (first, second, third, fourth) if turn else None


def _label(names: Any, config: LabelConfig) -> str | None:
    """The one label that is meant: a learnt one beats generic ones; two names, or none that the config has, mean nothing."""
    said = map(config.today, filter(lambda each: isinstance(each, str), names)) if isinstance(names, list) else ()
    live = [name for name in dict.fromkeys(said) if name in config.labels]
    others = [name for name in live if name not in config.generic]
    chosen = others or live
    return chosen[0] if len(chosen) == 1 else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
