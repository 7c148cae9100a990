"""The page's words."""

from __future__ import annotations

import time

import pytest

from dinolabel.backend.http.dashboard import format_age, format_duration
from dinolabel.backend.project_status import ProjectStatus, StatusBoard


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "1 s"),
        (0.4, "1 s"),
        (42.4, "42 s"),
        (89, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (9000, "2.5 h"),
    ],
)
def test_lengths_of_time(seconds: float | None, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(1, "just now"), (30, "30 s ago"), (600, "10 min ago"), (7200, "2.0 h ago")])
def test_how_long_ago(seconds: float, words: str) -> None:
    assert format_age(time.time() - seconds) == words


def test_long_ago_is_a_date() -> None:
    assert format_age(0.0).endswith("1970") or format_age(0.0).endswith("1969")


@pytest.mark.parametrize(
    ("status", "eta"),
    [
        (ProjectStatus(1, done=0, total=100, rate=2.0), 50.0),
        (ProjectStatus(1, done=60, total=100, failed=20, rate=2.0), 10.0),
        (ProjectStatus(1, done=100, total=100, rate=2.0), None),
        (ProjectStatus(1, done=10, total=100, rate=0.0), None),
    ],
)
def test_time_left(status: ProjectStatus, eta: float | None) -> None:
    assert status.eta_seconds == eta


def test_the_board_keeps_what_it_is_not_told_anew() -> None:
    board = StatusBoard(clock=lambda: 5.0)
    board.set(2, title="B", done=1)
    board.set(1, title="A")
    board.set(2, done=3)
    assert [(each.project, each.title, each.done, each.at) for each in board.all()] == [(1, "A", 0, 5.0), (2, "B", 3, 5.0)]
    board.remove(1)
    assert board.get(1) == ProjectStatus(1)
