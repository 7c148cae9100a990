"""A box of a result, in pixels, and how it gets there from Label Studio's percent.

Only values; what of a result is one is dinolabel.studio.regions.reading's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dinolabel.studio.regions.shapes import Hull
from dinolabel.vision.types import Box

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

NOMINAL = (10_000, 10_000)
"""The frame of a box whose picture's size nobody wrote down: hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class Percent:
    """A rectangle as Label Studio has it: x, y is the turned top-left corner, in percent of the picture; rotation: degrees, clockwise."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0

    def on(self, width: int, height: int) -> tuple[Hull, Quad | None]:
        """x1, y1, x2, y2 of the upright hull, and the corners when turned, clockwise from the first; pixels, not clipped.

        A box that was drawn from another corner has a negative width or height: its own top-left corner lies at the other end.
        """
        x, y, w, h = self.x * width / 100, self.y * height / 100, self.width * width / 100, self.height * height / 100
        turn = math.radians(self.rotation % 360)
        cos, sin = (math.cos(turn), math.sin(turn)) if turn else (1.0, 0.0)  # in pixels: percent is not isotropic
        x, y = x + min(w, 0.0) * cos - min(h, 0.0) * sin, y + min(w, 0.0) * sin + min(h, 0.0) * cos
        w, h = abs(w), abs(h)
        across, down = ([0.0, w * cos, w * cos - h * sin, -h * sin], [0.0, w * sin, w * sin + h * cos, h * cos])
        # Six decimals undo the rounding of the trip through percent: a box on the quarter-pixel grid comes back on it.
        x1, y1, x2, y2 = (round(each, 6) for each in (x + min(across), y + min(down), x + max(across), y + max(down)))
        first, second, third, fourth = ((x + right, y + below) for right, below in zip(across, down, strict=True))
        return (x1, y1, x2, y2), (first, second, third, fourth) if turn else None


@dataclass(frozen=True, slots=True)
class Region:
    """One rectangle of a result, in our terms.

    id: unique within its result, also where Label Studio's was not. label: one of the config's, or None when it says nothing.
    box: pixels of the upright image, clipped; the upright hull when the region is rotated. rotation: degrees, clockwise.
    origin: prediction, prediction-changed, manual, or None. score: as stored, or None. width, height: of the upright image, pixels.
    quad: the four corners of a rotated region in pixels, not clipped, clockwise from its own top-left one; None when it is upright.
    percent: only where nobody wrote the size down: box and quad are then of a frame of NOMINAL, and this says where they really are.
    unlisted: the name it was given where the config has no such label, so that it has none here.
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
    percent: Percent | None = None
    unlisted: str | None = None
