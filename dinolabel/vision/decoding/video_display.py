"""How a browser shows the frames of a film: turned or mirrored by the display matrix, in square pixels, in which colours.

Boxes are drawn on what Label Studio's editor shows, so a frame of ours is what Chromium shows of it: measured with Chromium 156 over
codecs, sizes, tags and matrices (tests/contract/test_films_shown_by_chromium.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Pixels

HD_ROWS = 720
"""From so many rows on, colours that are not tagged in full are BT.709, below BT.601."""
BY_ROWS = frozenset({"h264", "hevc", "vp8"})
"""Codecs whose colours Chromium guesses so; VP9 and AV1 are BT.601 where their stream says nothing. Other codecs it does not play."""
UNSPECIFIED, FULL_RANGE, RGB = 2, 2, 0  # ISO 23091-2; FFmpeg's AVCOL_RANGE_JPEG
BT709, BT601 = 1, 5  # ISO 23091-2, and PyAV's names of them; 6 (SMPTE 170M) has the matrix of 5
MATRICES_601 = frozenset({UNSPECIFIED, BT601, 6})
"""Which of a frame's matrices FFmpeg converts by BT.601 of itself."""

RULES = "film-2"
"""Names the rules for those frames that earlier versions gave other pixels: see dinolabel.vision.decoding.pictures.RULES."""

Matrix = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class VideoDisplay:
    """What a film's stream says of all its frames. aspect: width by height of a stored pixel. codec: FFmpeg's name."""

    aspect: Fraction
    codec: str

    @classmethod
    def of(cls, stream: Any) -> VideoDisplay:
        said = stream.sample_aspect_ratio
        return cls(Fraction(said) if said and said > 0 else Fraction(1), stream.codec.canonical_name)

    def upright(self, frame: Any) -> Pixels:
        """(H, W, 3) uint8 RGB of a decoded frame, as a browser shows it."""
        width, height = self.square_size(frame)
        space = self._other_space(frame)
        plain = frame.reformat(width=width, height=height, format="rgb24", src_colorspace=space) if space or self.aspect != 1 else frame
        pixels = np.ascontiguousarray(turn(plain.to_ndarray(format="rgb24"), matrix_of(frame)))
        pixels.flags.writeable = False
        return pixels

    def square_size(self, frame: Any) -> tuple[int, int]:
        """Width and height of a frame in square pixels, before its turn."""
        width, height = frame.width, frame.height
        if self.aspect >= 1:  # a browser makes one side longer and none shorter
            return max(1, round(width * self.aspect)), height
        return width, max(1, round(height / self.aspect))

    def rules(self, frame: Any) -> str:
        """RULES where the frame has other pixels than an earlier version gave, else empty."""
        a, b, c, d = matrix_of(frame)
        changed = a * d - b * c < 0 or self.aspect != 1 or self._other_space(frame) is not None
        return RULES if changed else ""

    def _other_space(self, frame: Any) -> int | None:
        """The matrix that colours are to be read by, where FFmpeg would take another one."""
        matrix = int(frame.colorspace)
        tagged = UNSPECIFIED not in (matrix, int(frame.color_primaries), int(frame.color_trc))
        if tagged or self.codec not in BY_ROWS or matrix == RGB or int(frame.color_range) == FULL_RANGE:
            return None
        if self.square_size(frame)[1] >= HD_ROWS:
            return None if matrix == BT709 else BT709
        return None if matrix in MATRICES_601 else BT601


def matrix_of(frame: Any) -> Matrix:
    """Where the display matrix moves a point of the stored frame: (x, y) to (a x + c y, b x + d y); (1, 0, 0, 1) where there is none."""
    for each in frame.side_data:
        if each.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(each))
            return a, b, c, d
    return 1, 0, 0, 1


def turn(pixels: npt.NDArray[np.uint8], matrix: Matrix) -> npt.NDArray[np.uint8]:
    """The picture turned by quarters and mirrored, whichever comes nearest to the matrix: a view."""
    a, b, c, d = matrix
    across, down = (c, b) if abs(b) > abs(a) else (a, d)
    shown = pixels.swapaxes(0, 1) if abs(b) > abs(a) else pixels
    return shown[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
