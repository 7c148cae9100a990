"""One shape of labelme's or X-AnyLabeling's JSON: a box, turned or upright, an outline whose hull is the box, or why it gives none."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

from dinolabel.exporters.importers.common.marks import ImportedMark, corners
from dinolabel.exporters.importers.common.records import Attributes, label_of
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Point
from dinolabel.vision.decoding.pictures import image_of
from dinolabel.vision.errors import MediaError

OPEN = {"point": "point", "points": "points", "line": "line", "linestrip": "line"}
"""Shapes that say where something is and not how far it reaches, as people call them."""
OUTLINES = ("polygon", "quadrilateral", "cuboid")
TURNED = ("rotation", "oriented_rectangle")


def mark_of(shape: Any, source: str) -> ImportedMark | Unread:
    """Points are pixels of the picture as the tool shows it."""
    if not isinstance(shape, Mapping):
        return Unread(source, "shape", "it is no shape")
    kind = str(shape.get("shape_type") or "polygon")
    if kind in OPEN:
        return Unread(source, OPEN[kind], f"a {OPEN[kind]} has no width and height of its own")
    points = _points(shape.get("points"))
    if points is None:
        return Unread(source, kind, "its points are no pairs of numbers")
    found = _place(kind, points, shape)
    if isinstance(found, str):
        return Unread(source, kind, found)
    label = shape.get("label")
    return ImportedMark(label_of(label if label not in ("", None) else None), found[0], source, found[1], attributes=_attributes(shape))


def _points(values: Any) -> list[Point] | None:
    """None where one is no pair of finite numbers."""
    try:
        points = [(float(x), float(y)) for x, y in values]
    except (TypeError, ValueError, OverflowError):
        return None
    return points if all(map(math.isfinite, (each for point in points for each in point))) else None


def _place(kind: str, points: list[Point], shape: Mapping[str, Any]) -> tuple[tuple[Point, ...], bool] | str:
    """Corners or an outline, and whether they are a turned box's own; or what it lacks."""
    count = len(points)
    if kind == "rectangle" and count in (2, 4):
        return tuple(points), count == 4 and not _is_upright(points)
    if kind in TURNED and count == 4:
        return tuple(points), True
    if kind in OUTLINES and count >= 3:
        return tuple(points), False
    if kind == "circle" and count == 2:
        (x, y), radius = points[0], math.dist(*points)
        return corners(x - radius, y - radius, 2 * radius, 2 * radius), False
    if kind == "mask" and count == 2:
        return _mask(points, shape.get("mask")), False
    known = kind in ("rectangle", "circle", "mask", *TURNED, *OUTLINES)
    return f"it has {count} points" if known else f"the shape {kind!r} is not known here"


def _is_upright(points: list[Point]) -> bool:
    """Whether four corners are those of a box that is not turned, wherever they begin and whichever way they go round."""
    xs, ys = (sorted({round(each[at], 2) for each in points}) for at in (0, 1))
    return len(xs) == 2 and len(ys) == 2


def _mask(points: list[Point], mask: Any) -> tuple[Point, ...]:
    """The box that a mask fills: its own size from the first point on, for the second is its last pixel."""
    (x1, y1), (x2, y2) = (min(each) for each in zip(*points, strict=True)), (max(each) for each in zip(*points, strict=True))
    try:
        image = image_of(base64.b64decode(mask, validate=True), "the mask")
    except (TypeError, binascii.Error, ValueError, MediaError):
        return corners(x1, y1, x2 - x1, y2 - y1)
    return corners(x1, y1, image.width, image.height)


def _attributes(shape: Mapping[str, Any]) -> Attributes:
    """Flags that are set, and what X-AnyLabeling notes."""
    flags, attributes = shape.get("flags"), shape.get("attributes")
    known = [(str(name), "") for name, value in flags.items() if value is True] if isinstance(flags, Mapping) else []
    known += [(str(name), str(value)) for name, value in attributes.items()] if isinstance(attributes, Mapping) else []
    return (*known, *([("difficult", "")] if shape.get("difficult") is True else []))
