"""Which tasks could not be done, how often, and when to try again: a broken picture must neither be hammered nor hold a switch for ever.

In memory only: after a restart everything is worth another try.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

ENOUGH = 3
"""Tries after which a switch no longer waits for a task; it is tried again all the same, ever more rarely."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often a task was tried in vain, why, and the seconds until it is worth another try. final: its picture is no picture."""

    tries: int = 0
    reason: str = ""
    seconds_left: float = 0.0
    final: bool = False

    @property
    def due(self) -> bool:
        return self.seconds_left <= 0

    @property
    def hopeless(self) -> bool:
        return self.final or self.tries >= ENOUGH


class Attempts:
    """By project and task, for the version they were made for; another version starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[tuple[int, int], tuple[str, int, str, float, bool]] = {}

    def failed(self, project: int, task: int, version: str, reason: str, *, final: bool = False) -> None:
        """Note another failure; the pause before the next try doubles."""
        tries = self.of(project, task, version).tries + 1
        pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
        self._failed[project, task] = (version, tries, reason, self._clock() + pause, final)

    def of(self, project: int, task: int, version: str) -> Attempt:
        known, tries, reason, next_at, final = self._failed.get((project, task), ("", 0, "", 0.0, False))
        return Attempt(tries, reason, next_at - self._clock(), final) if known == version else Attempt()
