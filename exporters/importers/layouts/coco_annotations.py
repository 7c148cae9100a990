"""One annotation of COCO: a box, turned or upright, or what it lacks.

A box is taken from `bbox`, else it is the hull of the outline or of the mask.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dinolabel.exporters.importers.common.marks import ImportedMark, corners
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Point
from dinolabel.vision.decoding.pictures import MAX_PIXELS

Json = Mapping[str, Any]


def mark_of(entry: Json, labels: Mapping[str, str | None]) -> ImportedMark | Unread | None:
    """None for an annotation that marks no place, such as a caption."""
    source = f"annotation {entry.get('id')}"
    if "category_id" not in entry and not entry.get("bbox") and not entry.get("segmentation"):
        return None if "caption" in entry else Unread(source, "no category", "it has no category and no box")
    if entry.get("ignore") in (1, True):
        return Unread(source, "to be ignored", "the file says that it is to be ignored")
    if id_text(entry.get("category_id")) not in labels:
        return Unread(
            source, "unknown category", f"its category {entry.get('category_id')!r} is not listed in the file, or not with one name"
        )
    label, found = _label(entry, labels), _points(entry)
    if isinstance(found, str):
        return Unread(source, _kind(entry), found)
    points, turned = found
    verified, score = _attributes(entry).get("verdict") != "unverified", _numbers([_attributes(entry).get("score")])
    return ImportedMark(label, points, source, turned, verified, score[0] if score else None)


def id_text(value: Any) -> str:
    """An id as it is compared: some tools write it as text, or as 7.0, in one place only."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _label(entry: Json, labels: Mapping[str, str | None]) -> str | None:
    """An export of ours says what people gave, which is nothing for a box that went out under what was looked for."""
    attributes = _attributes(entry)
    if "given_label" not in attributes:
        return labels[id_text(entry["category_id"])]
    return None if attributes["given_label"] is None else str(attributes["given_label"])


def _kind(entry: Json) -> str:
    if entry.get("segmentation"):
        return "crowd" if entry.get("iscrowd") else "outline"
    return "key points" if entry.get("keypoints") else "box"


def _points(entry: Json) -> tuple[tuple[Point, ...], bool] | str:
    """Corners and whether they are a turned box's own, or what the annotation lacks."""
    box, outlines = _numbers(entry.get("bbox")), _outlines(entry.get("segmentation"))
    if _attributes(entry).get("rotated") and len(outlines) == 1 and len(outlines[0]) == 4:
        return tuple(outlines[0]), True
    if box is not None and len(box) == 4 and box[2] > 0 and box[3] > 0:
        turn = _numbers([_attributes(entry).get("rotation") or 0])
        if turn is None:
            return f"its rotation {_attributes(entry).get('rotation')!r} is no number"
        return corners(*box, degrees=turn[0]), bool(turn[0] % 360)
    if outlines:
        return tuple(itertools.chain.from_iterable(outlines)), False
    if isinstance(entry.get("segmentation"), Mapping):
        return _mask(entry["segmentation"])
    if entry.get("bbox"):
        return f"its bbox {str(entry['bbox'])[:60]} is no x, y, width and height"
    return "it has no bbox and no outline that could be used"


def _attributes(entry: Json) -> Json:
    found = entry.get("attributes")
    return found if isinstance(found, Mapping) else {}


def _numbers(values: Any) -> list[float] | None:
    """Finite numbers, also where they were written as text."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    try:
        found = [float(each) for each in values if not isinstance(each, bool)]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if len(found) == len(values) and all(map(math.isfinite, found)) else None


def _outlines(shapes: Any) -> list[list[Point]]:
    """Those polygons of three points or more that are whole, nothing when one is not."""
    if not isinstance(shapes, list) or not shapes:
        return []
    read = [_numbers(each) for each in (shapes if isinstance(shapes[0], list) else [shapes])]
    if any(each is None or len(each) % 2 or len(each) < 6 for each in read):
        return []
    return [list(zip(each[0::2], each[1::2], strict=True)) for each in read if each is not None]


def _mask(shape: Json) -> tuple[tuple[Point, ...], bool] | str:
    """The hull of a mask: run lengths of outside and inside in turn, column by column."""
    size, counts = _numbers(shape.get("size")), shape.get("counts")
    if size is None or len(size) != 2 or not 0 < size[0] * size[1] <= MAX_PIXELS:
        return "its mask has no size"
    height, width = (int(each) for each in size)
    runs = _unpack(counts) if isinstance(counts, str) else _numbers(counts)
    if not runs or min(runs) < 0 or sum(runs) != height * width:
        return "the runs of its mask do not fill its size"
    mask = np.repeat(np.arange(len(runs)) % 2 == 1, np.asarray(runs, dtype=np.int64)).reshape(width, height)
    across, down = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(across):
        return "its mask is empty"
    return corners(float(across[0]), float(down[0]), float(across[-1] + 1 - across[0]), float(down[-1] + 1 - down[0])), False


def _unpack(text: str) -> list[float]:
    """Run lengths that COCO's tools pack as text: five bits a character, the lowest first, from `0` on; a sixth says that more follow and
    the last one's fifth is the sign. From the fourth run on each is the difference to the one before the last. Nothing for other text."""
    runs: list[float] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - ord("0")
        if not 0 <= bits < 64 or shift > 60:
            return []
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (bits & 16) and 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs if shift == 0 else []
