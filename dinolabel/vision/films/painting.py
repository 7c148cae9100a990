"""Boxes and captions on frame after frame: as `dinolabel.vision.draw`, but each caption is written once and then copied.

Knows boxes and words; nothing of tracks or files. (supervision's annotator lays text out anew for every frame: ten times the price.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from dinolabel.vision.draw import colour, font_file, text_colour
from dinolabel.vision.types import Box, Pixels


def paint(pixels: Pixels, boxes: Sequence[tuple[Box, str, str]]) -> Pixels:
    """A copy of (H, W, 3) uint8 RGB pixels with each (box, label, caption) in the label's colour."""
    canvas = np.array(pixels)
    height, width = canvas.shape[:2]
    longer = max(height, width)
    thick, size = max(2, round(longer / 400)), max(11, round(longer / 50))
    for box, label, caption in boxes:
        x1, y1, x2, y2 = (round(each) for each in box.xyxy)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), _rgb(colour(label)), thick, cv2.LINE_AA)
        plate = _plate(caption, colour(label), size)
        top = y1 - plate.shape[0] if y1 >= plate.shape[0] else y1
        _paste(canvas, plate, min(max(0, x1), max(0, width - plate.shape[1])), max(0, top))
    return canvas


@lru_cache(maxsize=512)
def _plate(caption: str, background: str, size: int) -> Pixels:
    """The caption on its colour, (h, w, 3)."""
    path = font_file(caption)
    font = PIL.ImageFont.truetype(path, size) if path else PIL.ImageFont.load_default(size)
    x1, y1, x2, y2 = font.getbbox(caption)
    pad = max(2, size // 5)
    plate = PIL.Image.new("RGB", (max(1, round(x2 - x1)) + 2 * pad, max(1, round(y2 - y1)) + 2 * pad), background)
    PIL.ImageDraw.Draw(plate).text((pad - x1, pad - y1), caption, fill=text_colour(background), font=font)
    return np.asarray(plate)


def _paste(canvas: Pixels, plate: Pixels, x: int, y: int) -> None:
    part = canvas[y : y + plate.shape[0], x : x + plate.shape[1]]
    part[:] = plate[: part.shape[0], : part.shape[1]]


def _rgb(name: str) -> tuple[int, int, int]:
    return int(name[1:3], 16), int(name[3:5], 16), int(name[5:7], 16)
