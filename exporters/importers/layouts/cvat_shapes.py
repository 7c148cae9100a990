"""One shape of CVAT's XML: a box, turned or upright, an outline whose hull is the box, or why it gives none."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from dinolabel.exporters.importers.common.marks import ImportedMark, corners
from dinolabel.exporters.importers.common.records import Attributes, label_of
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Point

KINDS = {"polyline": "line", "points": "points", "skeleton": "skeleton"}
"""Shapes that say where something is and not how far it reaches, as people call them."""


def mark_of(shape: Element, source: str) -> ImportedMark | Unread:
    """Points are pixels of the picture as CVAT shows it."""
    label = label_of(shape.get("label") or None)
    if shape.tag in KINDS:
        return Unread(source, KINDS[shape.tag], f"a {KINDS[shape.tag]} has no width and height of its own")
    try:
        points, turned = _points(shape)
    except (KeyError, ValueError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return Unread(source, shape.tag, said)
    return ImportedMark(label, points, source, turned, attributes=_attributes(shape))


def _points(shape: Element) -> tuple[tuple[Point, ...], bool]:
    """Corners or an outline, and whether they are a turned box's own. Raises KeyError, ValueError for what says no place."""
    if shape.tag == "box":
        left, top, right, bottom = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
        turn = _number(shape, "rotation", "0")
        return corners(left, top, right - left, bottom - top, degrees=turn), bool(turn % 360)
    if shape.tag == "mask":
        return corners(*(_number(shape, name) for name in ("left", "top", "width", "height"))), False
    if shape.tag == "ellipse":
        x, y, across, down = (_number(shape, name) for name in ("cx", "cy", "rx", "ry"))
        return _ellipse(x, y, across, down, _number(shape, "rotation", "0")), False
    if shape.tag == "polygon":
        outline = [tuple(float(each) for each in pair.split(",")) for pair in shape.attrib["points"].split(";") if pair.strip()]
        return _outline(outline), False
    if shape.tag == "cuboid":
        sides = [name[1:] for name in shape.attrib if name.startswith("x") and f"y{name[1:]}" in shape.attrib]
        return _outline([(_number(shape, f"x{each}"), _number(shape, f"y{each}")) for each in sides]), False
    raise ValueError("it is no shape that is known here")


def _outline(points: list[tuple[float, ...]]) -> tuple[Point, ...]:
    if len(points) < 3 or any(len(each) != 2 or not all(map(math.isfinite, each)) for each in points):
        raise ValueError("it has less than three points")
    return tuple((x, y) for x, y in points)


def _ellipse(x: float, y: float, across: float, down: float, degrees: float) -> tuple[Point, ...]:
    """Corners of the upright box round an ellipse that is turned clockwise about its middle. across, down: its radii."""
    turn = math.radians(degrees)
    half = math.hypot(across * math.cos(turn), down * math.sin(turn)), math.hypot(across * math.sin(turn), down * math.cos(turn))
    return corners(x - half[0], y - half[1], 2 * half[0], 2 * half[1])


def _number(shape: Element, name: str, default: str | None = None) -> float:
    value = float(shape.attrib[name] if default is None else shape.get(name, default))
    if not math.isfinite(value):
        raise ValueError(f"{name} is no number")
    return value


def _attributes(shape: Element) -> Attributes:
    occluded = (("occluded", ""),) if shape.get("occluded") == "1" else ()
    said = tuple((each.get("name", ""), (each.text or "").strip()) for each in shape.iterfind("attribute") if each.get("name"))
    return (*occluded, *said)
