"""Boxes of a project on the picture as it is: the size written beside them must be that of a copy of it, or of it before its turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from dinolabel.studio.regions.writing import Quad
from dinolabel.studio.reviews.decisions import ReviewedBox
from dinolabel.vision.decoding.frame_sizes import SWAPPED, frame_of
from dinolabel.vision.errors import SizeMismatch
from dinolabel.vision.types import Box, Image


def place_on_image(judged: Iterable[ReviewedBox], image: Image, turn: Callable[[], int]) -> tuple[list[ReviewedBox], bool]:
    """The boxes, and whether a size was that of the picture before its turn. Label Studio shows pictures upright, so boxes are upright.

    turn: the picture's EXIF turn, asked for only when sizes differ. Sizes of boxes that nobody drew or kept count for nothing: they came
    with predictions. Raises SizeMismatch, which names the region.
    """
    found: list[ReviewedBox] = []
    swapped = False
    for each in judged:
        size = each.width, each.height
        if each.verdict == "approved" and each.percent is None and size != (image.width, image.height):
            try:
                frame = frame_of(size, (image.width, image.height), turn, seen_upright=True)
            except SizeMismatch as error:
                raise SizeMismatch(f"Region {each.region}: {str(error).replace('The file', 'it', 1)}", hint=error.hint) from error
            if frame.said == SWAPPED:
                swapped, each = True, _scale_to_image(each, image)
        found.append(each)
    return found, swapped


def _scale_to_image(judged: ReviewedBox, image: Image) -> ReviewedBox:
    """The same shares of the upright picture; a rotation is an angle of that picture, so corners are made again."""
    across, down = image.width / judged.width, image.height / judged.height
    quad = None if judged.quad is None else _turn_quad(judged.quad, across, down)
    if quad is None:
        box = _scale_box(judged.box, across, down)
    else:
        xs, ys = zip(*quad, strict=True)
        box = Box(min(xs), min(ys), max(xs), max(ys))
    predicted = judged.predicted and _scale_box(judged.predicted, across, down)
    return replace(judged, box=box, quad=quad, predicted=predicted, width=image.width, height=image.height)


def _scale_box(box: Box, across: float, down: float) -> Box:
    return Box(box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down)


def _turn_quad(quad: Quad, across: float, down: float) -> Quad:
    """Corner, width and height as shares, and the angle, are what Label Studio stores."""
    (x1, y1), (x2, y2), _, (x4, y4) = quad
    turn = math.atan2(y2 - y1, x2 - x1)
    width, height = math.dist((x1, y1), (x2, y2)) * across, math.dist((x1, y1), (x4, y4)) * down
    right, below = (width * math.cos(turn), width * math.sin(turn)), (-height * math.sin(turn), height * math.cos(turn))
    x, y = x1 * across, y1 * down
    return (x, y), (x + right[0], y + right[1]), (x + right[0] + below[0], y + right[1] + below[1]), (x + below[0], y + below[1])
