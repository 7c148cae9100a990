"""Plots of a receipt as SVG: which names are taken for which, whether confidence is honest, what more crops bring.

Drawn by a template and not by a plotting library, whose import and layout cost more than fitting a head.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel import pages
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL

CELLS_WRITTEN = 25  # labels up to which every cell has its number; beyond, colour must do
MOST_LETTERS = 24  # of a label
CELL, LETTER, EDGE = 28, 6.5, 12  # pixels: of a cell, of a letter, around the plot
SIDE, LEFT, BELOW, ABOVE = 250, 48, 44, 30  # of a chart: its square, and what stands around it
TICKS = 5
Rows = Sequence[Sequence[float]]
HERE = Path(__file__).parent


def confusion_svg(table: npt.NDArray[np.int64], labels: Sequence[str]) -> str:
    """Rows are what people said, columns what the head answered; shade is the share of the row, numbers are objects."""
    names = [_short(label) for label in [*labels, UNKNOWN_LABEL]]
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    room = max(map(_width, names))
    cells = [
        {"x": int(column), "y": int(row), "share": round(float(shares[row, column]), 3), "count": int(table[row, column])}
        for row, column in zip(*np.nonzero(table), strict=True)
    ]
    left, below = room + 3 * EDGE, room * math.sqrt(0.5) + 3 * EDGE
    size = CELL * len(names)
    return _drawn(
        "confusion.svg", names=names, cells=cells, cell=CELL, left=left, top=EDGE, size=size, numbered=len(names) <= CELLS_WRITTEN,
        width=left + size + EDGE, height=EDGE + size + below,
    )  # fmt: skip


def reliability_svg(rows: Rows) -> str:
    """rows: (confidence, share right, count), a dot each, larger for more objects."""
    most = max((count for _, _, count in rows), default=1)
    dots = [(said, was, 3 + 6 * math.sqrt(count / most)) for said, was, count in rows]
    return _chart("Is its confidence honest?", "confidence said", "share right", dots=dots, diagonal=True)


def learning_svg(points: Rows, *, why_none: str = "") -> str:
    """points: (crops of each name, recall); or why there are none."""
    last = _round_up(max((x for x, _ in points), default=1))
    words = _lines(why_none) if not points else []
    dots = [(x / last, y, 3.5) for x, y in points]
    return _chart(
        "What more crops brought", "crops of each name", "recall, mean over names", dots=dots, last=last, words=words, joined=True
    )


def _chart(title: str, across: str, up: str, *, dots: list[tuple[float, float, float]], last: float = 1, **more: Any) -> str:
    """dots: (x, y, radius), x and y from 0 to 1 of the square. last: what stands at the right end of the axis."""
    ticks = [at / TICKS for at in range(TICKS + 1)]
    places = [(round(LEFT + x * SIDE, 1), round(ABOVE + (1 - y) * SIDE, 1), round(radius, 1)) for x, y, radius in dots]
    return _drawn(
        "chart.svg", title=title, across=across, up=up, dots=places, left=LEFT, top=ABOVE, side=SIDE,
        ticks=[(at, f"{at * last:g}", f"{at:g}") for at in ticks], width=LEFT + SIDE + EDGE, height=ABOVE + SIDE + BELOW,
        **{"diagonal": False, "joined": False, "words": (), **more},
    )  # fmt: skip


def _drawn(template: str, **values: Any) -> str:
    return pages.render(HERE / template, **values)


def _round_up(most: float) -> float:
    """The next 5, 10, 20, 50, …: so that its fifths are plain numbers."""
    power = 10 ** math.floor(math.log10(most))
    return float(max(TICKS, next(step * power for step in (1, 2, 5, 10) if step * power >= most)))


def _lines(words: str, *, letters: int = 34) -> list[str]:
    return textwrap.wrap(words, letters)


def _width(text: str) -> float:
    """Pixels, roughly: Chinese letters and the like are twice as wide."""
    return LETTER * sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _short(label: str) -> str:
    """Of a length that fits, and of letters that may stand in XML."""
    plain = "".join(each if each.isprintable() else "\ufffd" for each in label)
    return plain if len(plain) <= MOST_LETTERS else f"{plain[: MOST_LETTERS - 1]}…"
