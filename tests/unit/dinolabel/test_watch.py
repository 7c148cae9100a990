from __future__ import annotations

import pytest

from dinolabel.local.progress import ProjectProgress, Rate, progress_line


@pytest.mark.parametrize(
    ("progress", "left", "expected"),
    [
        (ProjectProgress(60, 12, 0), None, "0 of 60 pictures done   boxes on 12   no names learnt yet"),
        (ProjectProgress(60, 12, 3), 48.0, "3 of 60 pictures done   boxes on 12, 48 s left   no names learnt yet"),
        (ProjectProgress(60, 60, 30, ("jason", "lacy")), None, "30 of 60 pictures done   knows jason and lacy"),
        (ProjectProgress(1, 1, 1), None, "1 of 1 picture done   no names learnt yet"),
        (ProjectProgress(2500, 2500, 1200), None, "1,200 of 2,500 pictures done   no names learnt yet"),
    ],
)
def test_the_line(progress: ProjectProgress, left: float | None, expected: str) -> None:
    assert progress_line(progress, left) == expected


def test_the_rest_is_told_from_what_was_seen() -> None:
    rate = Rate()
    assert rate.left(ProjectProgress(100, 10, 0), 0.0) is None
    assert rate.left(ProjectProgress(100, 12, 0), 5.0) is None
    assert rate.left(ProjectProgress(100, 20, 0), 10.0) == pytest.approx(80.0)
    assert rate.left(ProjectProgress(100, 100, 0), 90.0) is None


def test_nothing_is_promised_about_pictures_that_do_not_come() -> None:
    """A broken picture never gets boxes: the time left would only grow."""
    rate = Rate()
    assert rate.left(ProjectProgress(100, 0, 0), 0.0) is None
    assert rate.left(ProjectProgress(100, 99, 0), 99.0) == pytest.approx(1.0)
    assert rate.left(ProjectProgress(100, 99, 0), 110.0) == pytest.approx(1.0)
    assert rate.left(ProjectProgress(100, 99, 0), 130.0) is None
