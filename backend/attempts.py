"""Which tasks could not be done, how often, and when to try again: a broken picture must neither be hammered nor hold a switch for ever.

In memory only: after a restart everything is worth another try.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

MAX_TRIES = 3
"""Tries after which a switch no longer waits for a task; it is tried again all the same, ever more rarely."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often a task was tried in vain, why, and the seconds until it is worth another try. final: its picture is no picture.

    kind: the error's class. hint: what to do about it. passing: it may be gone the next time without anybody's doing.
    """

    tries: int = 0
    reason: str = ""
    seconds_left: float = 0.0
    final: bool = False
    kind: str = ""
    hint: str = ""
    passing: bool = False

    @property
    def due(self) -> bool:
        return self.seconds_left <= 0

    @property
    def exhausted(self) -> bool:
        return self.final or self.tries >= MAX_TRIES


class About(TypedDict, total=False):
    """What is known of a failure beside its reason, as in an Attempt."""

    final: bool
    kind: str
    hint: str
    passing: bool


class RetryBackoff:
    """By project and task, for the version they were made for; another version starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[tuple[int, int], tuple[str, float, Attempt]] = {}

    def record_failure(self, project: int, task: int, version: str, reason: str, **about: Unpack[About]) -> None:
        """Note another failure; the pause before the next try doubles. about: further fields of the Attempt."""
        tries = self.attempt(project, task, version).tries + 1
        pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
        self._failed[project, task] = (version, self._clock() + pause, Attempt(tries, reason, **about))

    def attempt(self, project: int, task: int, version: str) -> Attempt:
        known, next_at, attempt = self._failed.get((project, task), ("", 0.0, Attempt()))
        return replace(attempt, seconds_left=next_at - self._clock()) if known == version else Attempt()
