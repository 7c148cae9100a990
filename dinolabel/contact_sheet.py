"""Contact sheets: many pictures on one, for a person to look over."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from dinolabel.vision.types import Pixels

CELL = 360
GAP = 16
HEADING = 44
PAPER = (250, 250, 248)
INK = (32, 33, 36)


def sheet(cells: Sequence[Pixels], *, columns: int, headings: Sequence[str] = ()) -> Picture.Image:
    """Pictures of any sizes side by side, row after row. headings: over the columns."""
    rows = -(-len(cells) // columns)
    top = HEADING if headings else 0
    sheet = Picture.new("RGB", (columns * (CELL + GAP) + GAP, rows * (CELL + GAP) + GAP + top), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        pen.text((GAP + column * (CELL + GAP), GAP), heading, fill=INK, font=ImageFont.load_default(24))
    for index, cell in enumerate(cells):
        picture = _fit(cell)
        x = GAP + index % columns * (CELL + GAP) + (CELL - picture.width) // 2
        y = GAP + top + index // columns * (CELL + GAP) + (CELL - picture.height) // 2
        sheet.paste(picture, (x, y))
    return sheet


def _fit(pixels: Pixels) -> Picture.Image:
    picture = Picture.fromarray(pixels)
    scale = CELL / max(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Picture.Resampling.LANCZOS)
