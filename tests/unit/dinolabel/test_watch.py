from __future__ import annotations

import pytest

from dinolabel.local.watch import Progress, Rate, told


@pytest.mark.parametrize(
    ("progress", "left", "expected"),
    [
        (Progress(60, 12, 0), None, "0 of 60 pictures done   boxes on 12   no names learnt yet"),
        (Progress(60, 12, 3), 48.0, "3 of 60 pictures done   boxes on 12, 48 s left   no names learnt yet"),
        (Progress(60, 60, 30, ("jason", "lacy")), None, "30 of 60 pictures done   knows jason and lacy"),
        (Progress(1, 1, 1), None, "1 of 1 picture done   no names learnt yet"),
        (Progress(2500, 2500, 1200), None, "1,200 of 2,500 pictures done   no names learnt yet"),
    ],
)
def test_the_line(progress: Progress, left: float | None, expected: str) -> None:
    assert told(progress, left) == expected


def test_the_rest_is_told_from_what_was_seen() -> None:
    rate = Rate()
    assert rate.left(Progress(100, 10, 0), 0.0) is None
    assert rate.left(Progress(100, 12, 0), 5.0) is None
    assert rate.left(Progress(100, 20, 0), 10.0) == pytest.approx(80.0)
    assert rate.left(Progress(100, 100, 0), 90.0) is None
