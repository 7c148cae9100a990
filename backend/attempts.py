"""Which tasks could not be done, how often, and when to try again: a broken picture must neither be hammered nor hold a switch for ever.

In memory only: after a restart everything is worth another try.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

ENOUGH = 3
"""Tries after which a switch no longer waits for a task."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    version: str
    tries: int
    next_at: float
    reason: str


class Attempts:
    """Failed tries by (project, task), for the version they were made for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: dict[tuple[int, int], Attempt] = {}

    def failed(self, project: int, task: int, version: str, reason: str) -> None:
        """Note another failure; the pause before the next try doubles."""
        tries = 1 + self._tries(project, task, version)
        pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
        self._attempts[project, task] = Attempt(version, tries, self._clock() + pause, reason)

    def due(self, project: int, task: int, version: str) -> bool:
        """Never failed for this version, or long enough ago."""
        return self.seconds_left(project, task, version) <= 0

    def seconds_left(self, project: int, task: int, version: str) -> float:
        attempt = self._attempts.get((project, task))
        return attempt.next_at - self._clock() if attempt and attempt.version == version else 0.0

    def given_up(self, project: int, task: int, version: str) -> bool:
        return self._tries(project, task, version) >= ENOUGH

    def reason(self, project: int, task: int) -> str:
        attempt = self._attempts.get((project, task))
        return attempt.reason if attempt else ""

    def _tries(self, project: int, task: int, version: str) -> int:
        attempt = self._attempts.get((project, task))
        return attempt.tries if attempt and attempt.version == version else 0
