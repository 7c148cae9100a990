"""Retries: ever rarer, hopeless after enough, per version."""

from __future__ import annotations

from dinolabel.backend.attempts import ENOUGH, FIRST_PAUSE, LONGEST_PAUSE, Attempts


def test_a_task_never_tried_is_due() -> None:
    attempt = Attempts().of(1, 2, "v")
    assert (attempt.due, attempt.hopeless, attempt.tries) == (True, False, 0)


def test_pauses_double_up_to_the_longest() -> None:
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    pauses = []
    for _ in range(12):
        attempts.failed(1, 2, "v", "404")
        pauses.append(attempts.of(1, 2, "v").seconds_left)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    now[0] = LONGEST_PAUSE
    assert attempts.of(1, 2, "v").due


def test_enough_is_hopeless_but_only_for_this_version() -> None:
    attempts = Attempts()
    for number in range(ENOUGH):
        assert not attempts.of(1, 2, "v").hopeless
        attempts.failed(1, 2, "v", f"try {number}")
    assert attempts.of(1, 2, "v").hopeless
    assert attempts.of(1, 2, "v").reason == f"try {ENOUGH - 1}"
    assert attempts.of(1, 2, "w").due and not attempts.of(1, 2, "w").hopeless
    assert attempts.of(2, 2, "v").tries == 0
