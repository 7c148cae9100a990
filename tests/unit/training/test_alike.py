"""Which names may be one name written twice."""

from __future__ import annotations

import pytest

from dinolabel.training.data.similar_names import pairs


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Jon", "John", "jon ", "lacy"], ["John / Jon", "John / jon ", "Jon / jon "]),
        (["José", "jose"], ["José / jose"]),
        (["cat 1", "cat 2"], []),
        (["tom", "tim"], []),
        (["Al", "Ali"], []),
        (["felix"], []),
    ],
)
def test_pairs(names: list[str], found: list[str]) -> None:
    assert sorted(pairs(names)) == sorted(found)
