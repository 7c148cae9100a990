"""Plots of a receipt: which names are taken for which, whether confidence is honest, what more crops bring."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL

CELLS_WRITTEN = 25  # labels up to which every cell has its number; beyond, colour must do
DPI = 110
Rows = Sequence[Sequence[float]]


def confusion_png(table: npt.NDArray[np.int64], labels: Sequence[str]) -> bytes:
    """Rows are what people said, columns what the head answered; shade is the share of the row, numbers are objects."""
    from matplotlib.figure import Figure

    names = [_short(label) for label in [*labels, UNKNOWN_LABEL]]
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = min(12.0, 2.2 + 0.45 * len(names))
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # matplotlib reads $…$ as mathematics
    plain = [name.replace("$", r"\$") for name in names]
    axes.set_xticks(range(len(names)), plain, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), plain)
    axes.set_xlabel("the head's answer")
    axes.set_ylabel("people's name")
    if len(names) <= CELLS_WRITTEN:
        for row, column in zip(*np.nonzero(table), strict=True):
            ink = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(table[row, column]), ha="center", va="center", color=ink, fontsize=9)
    return _png(figure)


def curves_png(reliability: Rows, learning: Rows, *, why_none: str = "") -> bytes:
    """Left: rows of (confidence, share right, count), a dot each, larger for more objects. Right: (crops of each name, recall) points,
    or why there are none."""
    figure = _figure(8.0)
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, reliability)
    _draw_learning(right, learning, why_none)
    return _png(figure)


def reliability_png(reliability: Rows) -> bytes:
    """The left half of the curves: on a telephone letters can be read in halves only."""
    figure = _figure(4.0)
    _draw_reliability(figure.add_subplot(), reliability)
    return _png(figure)


def learning_png(learning: Rows, *, why_none: str = "") -> bytes:
    """The right half of the curves."""
    figure = _figure(4.0)
    _draw_learning(figure.add_subplot(), learning, why_none)
    return _png(figure)


def _figure(width: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, 3.6), dpi=DPI, layout="constrained")


def _draw_reliability(axes: Any, rows: Rows) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    said, was, count = (np.array([row[at] for row in rows]) for at in range(3))
    axes.scatter(said, was, s=20 + 180 * count / max(1, count.max(initial=1)), color="tab:blue", alpha=0.8)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence said", ylabel="share right", title="Is its confidence honest?")


def _draw_learning(axes: Any, points: Rows, why_none: str) -> None:
    axes.plot([x for x, _ in points], [y for _, y in points], marker="o", color="tab:green")
    axes.set(ylim=(0, 1.02), xlabel="crops of each name", ylabel="recall, mean over names", title="What more crops brought")
    if not points:
        axes.text(0.5, 0.5, why_none, ha="center", va="center", transform=axes.transAxes)


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    with warnings.catch_warnings():
        # a script that matplotlib's own font lacks shows as boxes here; the page's table has the name
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
