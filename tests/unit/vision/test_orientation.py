"""Frames: sizes compared by shape, turns made as Pillow makes them, and nothing guessed."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.decoding.frame_sizes import (
    CANNOT_TELL,
    SWAPPED,
    TURNED,
    Choice,
    CoordinateFrame,
    Point,
    Size,
    frame_of,
)
from dinolabel.vision.decoding.turns import SIDEWAYS, TURNS
from dinolabel.vision.errors import SizeMismatch

WIDE, TALL = (400, 300), (300, 400)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_point_goes_where_its_pixel_goes(turn: int) -> None:
    stored = PIL.Image.new("L", (7, 5))
    stored.putpixel((5, 1), 255)
    shown = stored.transpose(TURNS[turn]) if turn in TURNS else stored
    down, across = np.argwhere(np.asarray(shown))[0]
    frame = CoordinateFrame((7, 5), turn, shown.size)
    assert frame.point(5.5, 1.5) == (across + 0.5, down + 0.5)
    twice = CoordinateFrame((7, 5), turn, (shown.width * 2, shown.height * 2))
    assert twice.point(5.5, 1.5) == (across * 2 + 1, down * 2 + 1)


@pytest.mark.parametrize(
    ("stated", "upright", "turn", "points", "choice", "expected"),
    [
        (WIDE, WIDE, 1, [], None, (WIDE, 1, None)),
        ((200, 150), WIDE, 1, [], None, ((200, 150), 1, None)),
        ((1200, 900), WIDE, 1, [], None, ((1200, 900), 1, None)),
        ((133, 99), WIDE, 1, [], None, ((133, 99), 1, None)),  # cut down to whole pixels
        ((1024, 683), (4000, 2667), 1, [], None, ((1024, 683), 1, None)),
        (TALL, TALL, 6, [], None, (TALL, 1, None)),  # the upright size: whoever wrote it turned the picture
        (TALL, TALL, 6, [], "stored", (TALL, 1, None)),
        (WIDE, TALL, 6, [(350, 20)], None, (WIDE, 6, TURNED)),  # beyond the upright picture's 300
        (WIDE, TALL, 8, [(250, 380)], None, (TALL, 1, SWAPPED)),  # beyond the stored picture's 300
        ((200, 150), TALL, 6, [(175, 10)], None, ((200, 150), 6, TURNED)),
        ((200, 150), TALL, 6, [(125, 190)], None, ((150, 200), 1, SWAPPED)),
        (WIDE, TALL, 5, [(20, 20)], "stored", (WIDE, 5, TURNED)),
        (WIDE, TALL, 7, [(20, 20)], "upright", (TALL, 1, SWAPPED)),
        (WIDE, TALL, 6, [(350, 20)], "upright", (WIDE, 6, TURNED)),  # what the boxes prove goes before what is said
        (WIDE, WIDE, 3, [(20, 20)], None, (WIDE, 1, CANNOT_TELL)),
        (WIDE, WIDE, 2, [], "stored", (WIDE, 2, TURNED)),
        (WIDE, WIDE, 3, [], "upright", (WIDE, 1, None)),
        ((300, 300), (300, 300), 6, [], None, ((300, 300), 1, CANNOT_TELL)),
        ((300, 300), (300, 300), 6, [], "stored", ((300, 300), 6, TURNED)),
        (None, TALL, 6, [], None, (TALL, 1, CANNOT_TELL)),
        (None, TALL, 6, [], "stored", (WIDE, 6, TURNED)),
        (None, TALL, 1, [], None, (TALL, 1, None)),
    ],
)
def test_which_frame(
    stated: Size | None, upright: Size, turn: int, points: list[Point], choice: Choice | None, expected: tuple[Size, int, str | None]
) -> None:
    frame = frame_of(stated, upright, lambda: turn, points, choice=choice)
    assert (frame.size, frame.turn, frame.said) == expected and frame.upright == upright


@pytest.mark.parametrize("turn", sorted(SIDEWAYS))
def test_label_studio_shows_pictures_upright(turn: int) -> None:
    frame = frame_of(WIDE, TALL, lambda: turn, [(20, 20)], seen_upright=True)
    assert (frame.size, frame.turn, frame.said) == (TALL, 1, SWAPPED)
    assert frame_of(TALL, TALL, lambda: turn, seen_upright=True).said is None
    assert frame_of((9, 9), (9, 9), lambda: turn, seen_upright=True).said is None


@pytest.mark.parametrize(
    ("stated", "upright", "turn", "points", "choice"),
    [
        ((400, 320), WIDE, 1, [], None),
        ((640, 640), WIDE, 1, [], None),
        (TALL, WIDE, 1, [], "upright"),  # swapped, and nothing turns the picture
        (WIDE, TALL, 3, [], "stored"),
        ((100, 99), (99, 100), 1, [], None),
        ((1, 1), WIDE, 1, [], None),
        (WIDE, TALL, 6, [], None),  # swapped, and no box that tells
        (WIDE, TALL, 6, [(250, 250)], None),
        (WIDE, TALL, 6, [(303, 20)], None),  # drawn over the edge
        (WIDE, TALL, 6, [(350, 20), (20, 350)], None),  # boxes of both frames
    ],
)
def test_no_frame_is_guessed(stated: Size, upright: Size, turn: int, points: list[Point], choice: Choice | None) -> None:
    with pytest.raises(SizeMismatch) as found:
        frame_of(stated, upright, lambda: turn, points, choice=choice)
    assert all(f"{width} x {height}" in str(found.value) for width, height in (stated, upright))
