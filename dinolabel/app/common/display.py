"""Pictures as the page shows them, each decoded once, at the size a screen has, with boxes; and whole, to download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL.Image

from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.images.annotation import draw
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Box, Detection, Image, Pixels

SHOWN_SIDE = 1600  # pixels; a browser shows no more, and a slider must not wait for the encoding of a camera's full size
THUMB_SIDE = 240
DIM = 0.45
BROWSERS_KNOW = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp"})


@lru_cache(maxsize=32)
def open_preview(path: str) -> Image:
    """Raises MediaError. Gradio keeps each upload under a path of its own, so a path stays true."""
    return open_image(Path(path))


@lru_cache(maxsize=4)
def small(path: str) -> Pixels:
    """(H, W, 3) uint8 RGB, upright, longer side at most SHOWN_SIDE."""
    return _within(open_preview(path).pixels, SHOWN_SIDE)


def annotate(
    path: str,
    detections: Sequence[Detection],
    labels: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    *,
    lit: int | None = None,
) -> Pixels:
    """The shown size with boxes, in their labels' colours. detections: in its own pixels. labels: as LabelledBox.of takes them.

    colours: label -> #rrggbb. lit: which of them stands out, all else being dim; None: none.
    """
    pixels, image = small(path), open_preview(path)
    scale = pixels.shape[1] / image.width
    scaled = [replace(each, box=Box(*(corner * scale for corner in each.box.xyxy))) for each in detections]
    drawn = draw(pixels, scaled, lambda each: LabelledBox.of(each, labels).label, colours=colours)
    return drawn if lit is None or lit >= len(scaled) else _lit(drawn, pixels, scaled[lit].box)


def _lit(drawn: Pixels, plain: Pixels, box: Box) -> Pixels:
    """Dim, but for the box, which is as it was, in a white frame."""
    dim = (drawn * DIM).astype(np.uint8)
    x1, y1, x2, y2 = (round(each) for each in box.xyxy)
    frame = max(2, round(max(plain.shape[:2]) / 250))
    dim[max(0, y1 - frame) : y2 + frame, max(0, x1 - frame) : x2 + frame] = 255
    dim[y1:y2, x1:x2] = plain[y1:y2, x1:x2]
    return dim


def annotate_full_size(
    path: str, detections: Sequence[Detection], labels: Mapping[str, str] | None = None, colours: Mapping[str, str] | None = None
) -> PIL.Image.Image:
    """At the picture's own size, to download. labels, colours: as annotate takes them."""
    return PIL.Image.fromarray(
        draw(open_preview(path).pixels, detections, lambda each: LabelledBox.of(each, labels).label, colours=colours)
    )


def thumbnail(pixels: Pixels) -> Pixels:
    return _within(pixels, THUMB_SIDE)


def is_browser_format(path: str) -> str:
    """The path itself where browsers can show such a file; else that of a PNG beside it with the same pixels (HEIC, TIFF)."""
    source = Path(path)
    if source.suffix.lower() in BROWSERS_KNOW:
        return path
    copy = source.with_suffix(".png")
    if not copy.exists():
        PIL.Image.fromarray(open_preview(path).pixels).save(copy, compress_level=1)
    return str(copy)


def _within(pixels: Pixels, side: int) -> Pixels:
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((side, side), PIL.Image.Resampling.BOX)
    return np.asarray(picture)
