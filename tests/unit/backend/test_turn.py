"""One at the model at a time, and whoever a person waits for goes first."""

from __future__ import annotations

import threading
import time

import pytest

from dinolabel.backend.inference.priority_lock import PriorityLock


def test_one_at_a_time() -> None:
    turn, inside, most = PriorityLock(), [0], [0]

    def work(urgent: bool) -> None:
        for _ in range(30):
            with turn.acquire(urgent=urgent):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0002)
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(each % 2 == 0,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert most == [1]


def test_the_urgent_one_goes_between_two_turns_of_the_background() -> None:
    turn, order, started = PriorityLock(), [], threading.Event()

    def background() -> None:
        for number in range(20):
            with turn.acquire(urgent=False):
                order.append(f"background {number}")
                started.set()
                time.sleep(0.01)

    thread = threading.Thread(target=background)
    thread.start()
    started.wait(5)
    with turn.acquire(urgent=True):
        order.append("urgent")
    thread.join(20)
    assert order.index("urgent") <= 2


def test_a_turn_that_ends_in_an_error_is_given_back() -> None:
    turn, again = PriorityLock(), threading.Event()
    with pytest.raises(ZeroDivisionError), turn.acquire(urgent=False):
        raise ZeroDivisionError

    def take() -> None:
        with turn.acquire(urgent=True):
            again.set()

    threading.Thread(target=take, daemon=True).start()
    assert again.wait(5)
