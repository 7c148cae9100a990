"""Figures of a head: which of the gate's measurements people see, what each is called and how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

Metrics = Mapping[str, Any]
"""A bundle's `metrics`: shares from 0 to 1 by key, an interval [low, high] under `KEY_interval` where there is one."""

FIGURES = {
    "accuracy": "right names",
    "coverage": "coverage",
    "accuracy_named": "precision of named",
    "macro_f1": "macro-F1",
    "ece": "calibration error",
}
"""Key -> words, in the order they are shown."""
NONE = "–"


def decimal(metrics: Metrics, key: str) -> str:
    """`0.81 (0.70 to 0.90)`, with the 95 % interval where there is one; – where it was not measured."""
    value, bounds = metrics.get(key), interval(metrics, key)
    if not _is_number(value):
        return NONE
    return f"{value:.2f}" + (f" ({ends(bounds)})" if bounds else "")


def interval(metrics: Metrics, key: str) -> tuple[float, float] | None:
    """The 95 % interval of a figure; None where there is none, or one without width, as earlier heads have it of all-right answers."""
    bounds = metrics.get(f"{key}_interval")
    return (bounds[0], bounds[1]) if bounds and bounds[0] < bounds[1] else None


def ends(bounds: tuple[float, float]) -> str:
    """`0.70 to 0.90`; with as many decimals as it takes to see that the two differ."""
    low, high = bounds
    digits = next((each for each in (2, 3) if f"{low:.{each}f}" != f"{high:.{each}f}"), 4)
    return f"{low:.{digits}f} to {high:.{digits}f}"


def unknown_kept(metrics: Metrics) -> str:
    """`3 of 4`, unknown objects left unnamed; – where there were none."""
    unknown = metrics.get("unknown")
    return f"{round(unknown['kept'] * unknown['objects'])} of {unknown['objects']}" if unknown else NONE


def percent(metrics: Metrics, key: str) -> str:
    """`81%`, where room is short; – where it was not measured."""
    value = metrics.get(key)
    return f"{value:.0%}" if _is_number(value) else NONE


def points(before: Metrics, after: Metrics, key: str) -> str:
    """`+4 points` from one head to another; – where one of them was not measured."""
    one, other = before.get(key), after.get(key)
    return f"{100 * (other - one):+.0f} points" if _is_number(one) and _is_number(other) else NONE


def measured_rows(*heads: Metrics) -> Iterator[tuple[str, list[str]]]:
    """(words, a decimal for each head) of every figure that one of them has."""
    for key, words in FIGURES.items():
        if any(key in each for each in heads):
            yield words, [decimal(each, key) for each in heads]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)
