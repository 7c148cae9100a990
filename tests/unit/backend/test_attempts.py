"""Retries: ever rarer, hopeless after enough, per version."""

from __future__ import annotations

from dinolabel.backend.reconciler.work_queue import FIRST_PAUSE, LONGEST_PAUSE, MAX_TRIES, RetryBackoff


def test_a_task_never_tried_is_due() -> None:
    attempt = RetryBackoff().attempt(1, 2, "v")
    assert (attempt.due, attempt.exhausted, attempt.tries) == (True, False, 0)


def test_pauses_double_up_to_the_longest() -> None:
    now = [0.0]
    attempts = RetryBackoff(clock=lambda: now[0])
    pauses = []
    for _ in range(12):
        attempts.record_failure(1, 2, "v", "404")
        pauses.append(attempts.attempt(1, 2, "v").seconds_left)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    now[0] = LONGEST_PAUSE
    assert attempts.attempt(1, 2, "v").due


def test_enough_is_hopeless_but_only_for_this_version() -> None:
    attempts = RetryBackoff()
    for number in range(MAX_TRIES):
        assert not attempts.attempt(1, 2, "v").exhausted
        attempts.record_failure(1, 2, "v", f"try {number}")
    assert attempts.attempt(1, 2, "v").exhausted
    assert attempts.attempt(1, 2, "v").reason == f"try {MAX_TRIES - 1}"
    assert attempts.attempt(1, 2, "w").due and not attempts.attempt(1, 2, "w").exhausted
    assert attempts.attempt(2, 2, "v").tries == 0
