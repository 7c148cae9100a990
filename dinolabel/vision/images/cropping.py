"""The one way a box becomes a crop: exporter, server and app cut the same pixels.

A pure function of pixels, box and policy; knows nothing of files or models.
"""

from __future__ import annotations

import math

import numpy as np
import PIL.Image

from dinolabel.vision.errors import MediaError
from dinolabel.vision.types import Box, Crop, CropPolicy, Pixels

GREY = (124, 116, 104)
"""ImageNet's mean colour (0.485, 0.456, 0.406) in 0..255: what an embedder normalises to zero, so that padding says nothing."""


def cut(pixels: Pixels, box: Box, policy: CropPolicy) -> Crop:
    """Square crop around a box, with the real surroundings where the image has them and grey where it has not.

    pixels: (H, W, 3) uint8 RGB. box: pixels of that image, snapped to the quarter-pixel grid first.
    The side is the box's longer side plus the policy's margin, at most max_side (shrunk by averaging areas, never enlarged).
    Raises MediaError when the box lies outside the image.
    """
    window = _window(pixels, box.quantise(), policy)
    side = window.shape[0]
    if side > policy.max_side:
        small = PIL.Image.fromarray(window).resize((policy.max_side, policy.max_side), PIL.Image.Resampling.BOX)
        window = np.array(small, dtype=np.uint8)
    return Crop(window)


def _window(pixels: Pixels, box: Box, policy: CropPolicy) -> Pixels:
    height, width = pixels.shape[:2]
    side = max(1, _nearest(max(box.width, box.height) * (1 + policy.margin)))
    left = _nearest((box.x1 + box.x2 - side) / 2)
    top = _nearest((box.y1 + box.y2 - side) / 2)
    x1, x2 = max(left, 0), min(left + side, width)
    y1, y2 = max(top, 0), min(top + side, height)
    if x1 >= x2 or y1 >= y2:
        raise MediaError(
            f"The box {box.xyxy} lies outside its picture of {width}x{height} pixels.",
            hint="It was probably drawn on another version of the picture: draw it again.",
        )
    window = np.empty((side, side, 3), np.uint8)
    window[:] = GREY
    window[y1 - top : y2 - top, x1 - left : x2 - left] = pixels[y1:y2, x1:x2]
    return window


def _nearest(value: float) -> int:
    # Halves go up: Python's round() goes to the even number, which would shift a box's window by its position.
    return math.floor(value + 0.5)
