"""What a file marks in a picture, as a box of the upright picture, or as a mark that could not be used."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from dinolabel.exporters.importers.common.records import Attributes, ImportedBox
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.regions.writing import Quad
from dinolabel.vision.decoding.frame_sizes import CoordinateFrame, Point
from dinolabel.vision.types import Box

SQUARE = 0.02
"""How far from a right angle a rotated box's corners may be, as a share of its sides: rounding, and no more."""


@dataclass(frozen=True, slots=True)
class ImportedMark:
    """points: corners of the box, or the outline whose hull is the box, in the file's frame. turned: the four are a rotated box's own.

    verified, score, attributes: see ImportedBox.
    """

    label: str | None
    points: tuple[Point, ...]
    source: str
    turned: bool = False
    verified: bool = True
    score: float | None = None
    attributes: Attributes = ()


def corners(x: float, y: float, width: float, height: float, *, degrees: float = 0.0) -> tuple[Point, ...]:
    """Of a box by its top-left corner and size, turned clockwise about its middle; its own top-left first, then clockwise."""
    turn, across, down = math.radians(degrees), x + width / 2, y + height / 2
    cos, sin = math.cos(turn), math.sin(turn)
    own = ((-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2))
    return tuple((across + dx * cos - dy * sin, down + dx * sin + dy * cos) for dx, dy in own)


def boxes_of(marks: Iterable[ImportedMark | Unread], frame: CoordinateFrame) -> tuple[tuple[ImportedBox, ...], tuple[Unread, ...]]:
    """Boxes of the upright picture, exact copies once, and the marks that give none."""
    boxes: dict[Hashable, ImportedBox] = {}
    unread: list[Unread] = []
    for each in marks:
        found = each if isinstance(each, Unread) else _box(each, frame)
        if isinstance(found, Unread):
            unread.append(found)
        else:
            boxes.setdefault(found.words, found)
    return tuple(boxes.values()), tuple(unread)


def _box(mark: ImportedMark, frame: CoordinateFrame) -> ImportedBox | Unread:
    points = [frame.point(x, y) for x, y in mark.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    try:
        hull = Box(min(xs), min(ys), max(xs), max(ys))
    except ValueError:
        return Unread(mark.source, "no size", "it has no width or no height")
    inside = hull.clip(*frame.upright)
    if inside is not None:
        quad = rectangle(points) if mark.turned else None
        return ImportedBox(mark.label, inside, quad, mark.source, mark.verified, mark.score, mark.attributes)
    if min(hull.width, hull.height) < 1:
        return Unread(mark.source, "under a pixel", f"it is {hull.width:.2f} x {hull.height:.2f} pixels")
    return Unread(mark.source, "outside", f"it lies outside of the picture of {frame.upright[0]} x {frame.upright[1]}")


def rectangle(points: Sequence[Point]) -> Quad | None:
    """The four corners of a rotated box, clockwise from the first; None for an upright box, and for what is no rectangle."""
    if len(points) != 4:
        return None
    first, second, third, fourth = points
    if (second[0] - first[0]) * (fourth[1] - first[1]) - (second[1] - first[1]) * (fourth[0] - first[0]) < 0:
        second, fourth = fourth, second
    side = max(math.dist(first, second), math.dist(first, fourth))
    slack = max(SQUARE * side, 0.01)
    closes = math.dist((second[0] + fourth[0] - first[0], second[1] + fourth[1] - first[1]), third) <= slack
    square = abs(math.dist(first, third) - math.dist(second, fourth)) <= slack
    upright = math.isclose(first[1], second[1], abs_tol=0.01) and math.isclose(first[0], fourth[0], abs_tol=0.01) and second[0] > first[0]
    return (first, second, third, fourth) if closes and square and not upright else None
