"""The most varied first: one of each kind before a second of any, and every row once."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.vision.images.farthest_first import farthest_first


def test_one_of_each_kind_comes_before_a_second_of_any() -> None:
    chance = np.random.default_rng(0)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [30, 30]], np.float32)
    kinds = np.repeat(np.arange(5), [60, 20, 10, 4, 1])
    rows = (centres[kinds] + chance.normal(0, 0.1, (len(kinds), 2))).astype(np.float32)
    assert set(kinds[farthest_first(rows, 5)]) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (4, 4), (9, 4)])
def test_each_row_at_most_once_equal_ones_too(count: int, expected: int) -> None:
    rows = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    chosen = farthest_first(rows, count)
    assert len(chosen) == len(set(chosen)) == expected


def test_no_rows() -> None:
    assert farthest_first(np.zeros((0, 3), np.float32), 5) == []


def test_other_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        farthest_first(np.zeros(3, np.float32), 1)
