"""Turns: in the order of asking, no more at once than there are seats, and a place that is given up holds nobody back."""

from __future__ import annotations

import threading

import pytest

from dinolabel.app.common.fair_queue import FairSemaphore


def test_a_place_says_how_many_are_before_it() -> None:
    turns = FairSemaphore(1)
    with turns.position() as first, turns.position() as second, turns.position() as third:
        assert first(0) == 0
        assert (second(0), third(0)) == (1, 2)
        assert first(0) == 0, "who is at it stays at it"


def test_who_leaves_lets_the_next_in() -> None:
    turns = FairSemaphore(1)
    with turns.position() as first:
        assert first(0) == 0
        with turns.position() as gives_up:
            assert gives_up(0) == 1
    with turns.position() as next_one:
        assert next_one(0) == 0


def test_two_seats() -> None:
    turns = FairSemaphore(2)
    with turns.position() as one, turns.position() as two, turns.position() as three:
        assert [one(0), two(0), three(0)] == [0, 0, 2]


def test_nobody_pushes_in() -> None:
    """Many threads, each asking again and again: each pass goes to who asked longest ago."""
    turns, order, ready = FairSemaphore(1), [], threading.Barrier(3)

    def ask(name: int) -> None:
        ready.wait(timeout=60)
        for _ in range(20):
            with turns.acquire():
                order.append(name)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert sorted(order) == sorted(list(range(3)) * 20)


def test_an_error_gives_the_seat_back() -> None:
    turns = FairSemaphore(1)
    with pytest.raises(RuntimeError), turns.acquire():
        raise RuntimeError
    with turns.position() as place:
        assert place(0) == 0
