"""Contact sheets of a harvest: every crop of a class with its number, so that a wrong one is seen and can be dropped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import PIL.Image
from PIL import ImageDraw, ImageFont

from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.staging import own_files
from dinolabel.exporters.safe_names import folder_names
from dinolabel.exporters.unlisted_files import FILMS

FOLDER = "sheets"
COLUMNS, LINES = 8, 16  # crops across, and lines of a page: a page is about as high as three screens
CELL, GAP, CAPTION, HEADING = 128, 8, 18, 34
PAPER, INK, SOFT, TESTED = (250, 250, 248), (32, 33, 36), (120, 122, 126), (178, 94, 18)

Row = Mapping[str, Any]
Line = tuple[str, Sequence[Row]]  # a heading, or up to COLUMNS crops


def write(folder: Path, rows: Sequence[Row]) -> dict[str, list[Path]]:
    """Draw sheets/CLASS.jpg (CLASS-2.jpg, … for more than fit) and take away ours of before; paths by class."""
    place = folder / FOLDER
    labels = list(dict.fromkeys(row["label"] for row in rows))
    names, written = folder_names(labels), {}
    before = [each.path for each in own_files(folder, FILMS) if each.path.startswith(f"{FOLDER}/")]
    for each in before:
        file_list.remove(folder, each)
    place.mkdir(exist_ok=True)
    for label in labels:
        lines = list(_lines(label, [row for row in rows if row["label"] == label]))
        pages = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
        paths = [place / (f"{names[label]}.jpg" if number == 1 else f"{names[label]}-{number}.jpg") for number in range(1, len(pages) + 1)]
        written[label] = [_free(path) for path in paths]
        for path, page in zip(written[label], pages, strict=True):
            _page(folder, page).save(path, quality=85)
    file_list.update(folder, changed={*before, *(path.relative_to(folder).as_posix() for paths in written.values() for path in paths)})
    return written


def _free(path: Path) -> Path:
    """The path, or one like it where a person's own file lies."""
    number = itertools.count(1)
    while os.path.lexists(path):
        path = path.with_name(f"{path.stem}_{next(number)}{path.suffix}")
    return path


def _lines(label: str, rows: Sequence[Row]) -> Iterator[Line]:
    for video, ofs in groupby(rows, key=lambda row: row["video"]):
        crops = list(ofs)
        yield f"{label}   {video}   {len(crops)} crops" + ("   for testing" if crops[0]["split"] == "held_out" else ""), ()
        yield from (("", crops[start : start + COLUMNS]) for start in range(0, len(crops), COLUMNS))


def _page(folder: Path, lines: Sequence[Line]) -> PIL.Image.Image:
    heights = [HEADING if heading else CELL + CAPTION + GAP for heading, _ in lines]
    sheet = PIL.Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, sum(heights) + GAP), PAPER)
    pen, top = ImageDraw.Draw(sheet), GAP
    for (heading, crops), height in zip(lines, heights, strict=True):
        if heading:
            ink = TESTED if heading.endswith("for testing") else INK
            pen.text((GAP, top + 8), heading, fill=ink, font=_font(16))
        for column, row in enumerate(crops):
            left = GAP + column * (CELL + GAP)
            sheet.paste(_thumbnail(folder / row["crop"]), (left, top))
            pen.text((left, top + CELL + 1), str(row["number"]), fill=INK, font=_font(14))
            pen.text((left + CELL, top + CELL + 2), _clock(row["seconds"]), fill=SOFT, font=_font(12), anchor="ra")
        top += height
    return sheet


def _thumbnail(path: Path) -> PIL.Image.Image:
    """The crop at the size of a cell; a grey one where the file is gone or damaged."""
    try:
        with PIL.Image.open(path) as picture:
            return picture.convert("RGB").resize((CELL, CELL), PIL.Image.Resampling.BILINEAR)
    except OSError:
        return PIL.Image.new("RGB", (CELL, CELL), SOFT)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
