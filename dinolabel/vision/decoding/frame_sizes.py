"""In which frame the coordinates of a file are: the picture as people see it, upright, or as it lies in its file, before its EXIF turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dinolabel.vision.decoding.turns import SIDEWAYS
from dinolabel.vision.errors import SizeMismatch

Size = tuple[int, int]
Point = tuple[float, float]
Choice = Literal["upright", "stored"]

LEAVES = 0.02
"""A share of a side: points that are no further outside a picture were drawn over its edge, and say nothing about its frame."""

LARGEST = 10**9
"""Pixels of a side beyond which a size is no picture's."""

ROUNDED = 0.05
"""The most, as a share, that rounding is taken to have changed a side."""

SWAPPED = "width and height were those of the picture before its turn; boxes are taken as on the upright picture"
TURNED = "boxes were drawn on the picture before its turn, and were turned with it"
CANNOT_TELL = "the picture carries a turn that its size does not show; boxes are taken as on the upright picture"

HINT = (
    "Say how the boxes were drawn: --frame upright (as people see the picture) or --frame stored (before the turn that its EXIF asks for)."
)

_TURN: dict[int, Callable[[float, float, float, float], Point]] = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}
"""EXIF 2.32, 4.6.4 A: where a point of the stored picture of w x h is shown."""


@dataclass(frozen=True, slots=True)
class CoordinateFrame:
    """What coordinates of a file are in. size: of that frame. turn: the EXIF turn still to be made, 1 for none.
    upright: the picture's size. said: what a person should know about the choice, or None.
    """

    size: Size
    turn: int
    upright: Size
    said: str | None = None

    def point(self, x: float, y: float) -> Point:
        """A point of the frame, in pixels of the upright picture."""
        width, height = self.size
        across, down = _TURN[self.turn](x, y, width, height)
        turned = (height, width) if self.turn in SIDEWAYS else (width, height)
        return across * self.upright[0] / turned[0], down * self.upright[1] / turned[1]


def frame_of(
    stated: Size | None,
    upright: Size,
    turn: Callable[[], int],
    points: Iterable[Point] = (),
    *,
    seen_upright: bool = False,
    choice: Choice | None = None,
) -> CoordinateFrame:
    """The frame of a file's points, in which `stated` is the picture's size (None: the file says none, so the points are the picture's).

    upright: the picture's size as we decode it. turn: its EXIF turn, 1 to 8, asked for only when it matters. points: corners of what is
    marked, in the file's pixels: one that leaves a frame was not drawn in it. seen_upright: the file's author is known to show pictures
    upright. choice: a person's word for where nothing tells. Raises SizeMismatch when the sizes are of another shape, or nothing tells.
    """
    if stated is None or _same_ratio(stated, upright):
        return _unswap(stated, upright, 1 if seen_upright else turn(), choice)
    swapped = stated[::-1]
    if not (_same_ratio(swapped, upright) and turn() in SIDEWAYS):
        raise SizeMismatch(f"The file says {_words(stated)}, the picture is {_words(upright)}.")
    drawn = "upright" if seen_upright else _frame_of_points(tuple(points), stated, swapped) or choice
    if drawn is None:
        raise SizeMismatch(f"The file says {_words(stated)}, the picture is {_words(upright)} once it is turned.", hint=HINT)
    return CoordinateFrame(swapped, 1, upright, SWAPPED) if drawn == "upright" else CoordinateFrame(stated, turn(), upright, TURNED)


def frame_of_stored(stated: Size | None, upright: Size, turn: int, *, choice: Choice | None = None) -> CoordinateFrame:
    """The frame of shares that are of the picture as it lies in its file, as photo managers write them.

    stated: the size they were made on, None when nothing says it; of the upright picture only, the shares are of that. The others are as
    for `frame_of`. Raises SizeMismatch when the picture has another shape than the one that they were made on.
    """
    lies = upright[::-1] if turn in SIDEWAYS else upright
    fits_stored, fits_upright = (stated is None or _same_ratio(stated, size) for size in (lies, upright))
    if stated is not None and not (fits_stored or fits_upright):
        raise SizeMismatch(f"The regions are of a picture of {_words(stated)}, this one is {_words(lies)} as it lies in its file.")
    if choice == "upright" or (choice is None and not fits_stored):
        return CoordinateFrame(upright, 1, upright)
    return CoordinateFrame(lies, turn, upright)


def _unswap(stated: Size | None, upright: Size, turn: int, choice: Choice | None) -> CoordinateFrame:
    """No size, or the upright picture's, which proves that it was turned where the stored one would be another."""
    size = stated or upright
    proven = stated is not None and turn in SIDEWAYS and not _same_ratio(size[::-1], upright)
    if turn == 1 or proven or choice == "upright":
        return CoordinateFrame(size, 1, upright)
    if choice == "stored":
        return CoordinateFrame(size[::-1] if turn in SIDEWAYS else size, turn, upright, TURNED)
    return CoordinateFrame(size, 1, upright, CANNOT_TELL)


def _frame_of_points(points: Sequence[Point], stated: Size, swapped: Size) -> Choice | None:
    out_of_stated, out_of_upright = (any(_leaves(each, size) for each in points) for size in (stated, swapped))
    if out_of_stated == out_of_upright:
        return None
    return "upright" if out_of_stated else "stored"


def _leaves(point: Point, size: Size) -> bool:
    return any(at < -LEAVES * side or at > (1 + LEAVES) * side for at, side in zip(point, size, strict=True))


def _same_ratio(one: Size, other: Size) -> bool:
    """Whether one is a smaller or larger copy of the other, sides rounded to whole pixels; of a speck nobody can tell."""
    if max(*one, *other) > LARGEST:
        return False
    (width, height), (across, down) = sorted((one, other))
    scales = width / across, height / down
    return abs(scales[0] - scales[1]) <= min(max(1 / across, 1 / down), ROUNDED * max(scales))


def _words(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
