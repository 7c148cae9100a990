"""The bench of speed: its page shows its rows, and a box meets its twin."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.speed import __main__ as speed
from benchmarks.speed import precision
from dinolabel.vision.types import Box, Detection

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_shows_the_rows() -> None:
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "bench.json").read_text(encoding="utf-8"))
    assert speed.table(rows) in page


def found(left: float, score: float) -> Detection:
    return Detection(Box(left, 0, left + 100, 100), "cat", score)


def test_a_twin_is_the_nearest_score_of_those_alike() -> None:
    assert precision.nearest(found(0, 0.8), [found(50, 0.8), found(2, 0.5), found(1, 0.75)])[1] == 0.8 - 0.75
    assert precision.nearest(found(0, 0.8), [found(50, 0.8), found(30, 0.5)])[1] == 0.8 - 0.5
