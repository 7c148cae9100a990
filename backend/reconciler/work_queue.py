"""Work queue of the reconcile loop, which project is due: by the clock, sooner when something happened, and not again at once after a
visit that took long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

REST = 2.0
"""Times the length of the last visit: in a project of 50,000 tasks one listing takes half a minute, and every submit would ask for one."""
LONGEST_REST = 30.0
CAREFUL_REST, LONGEST_CAREFUL_REST = 9.0, 180.0
"""The same while somebody is at work: a visit asks Label Studio for little else than that listing, and may have a tenth of it."""


class WorkQueue:
    """Times are a monotonic clock's seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}
        self._rest: dict[int, float] = {}

    def add(self, project: int | None = None) -> None:
        """As soon as may be; all when none is named."""
        with self._lock:
            for each in [project] if project is not None else list(self._due):
                self._due[each] = 0.0

    def add_after(self, project: int, at: float) -> None:
        with self._lock:
            self._due[project] = at

    def add_earlier(self, project: int, at: float) -> None:
        """Like plan, unless it is due before that anyway."""
        with self._lock:
            self._due[project] = min(self._due.get(project, at), at)

    def rest(self, project: int, begun: float, ended: float, *, careful: bool = False) -> None:
        """Let it rest, in proportion to what the visit cost. careful: somebody is at work there."""
        times, longest = (CAREFUL_REST, LONGEST_CAREFUL_REST) if careful else (REST, LONGEST_REST)
        with self._lock:
            self._rest[project] = ended + min(times * (ended - begun), longest)

    def retain(self, projects: Collection[int]) -> list[int]:
        """Forget all others, and name them; newcomers are due at once."""
        with self._lock:
            gone = [each for each in self._due if each not in projects]
            for each in gone:
                del self._due[each]
                self._rest.pop(each, None)
            for each in projects:
                self._due.setdefault(each, 0.0)
            return gone

    def ready(self, now: float) -> list[int]:
        """Whose time has come."""
        with self._lock:
            return sorted(each for each in self._due if self._ready_at(each) <= now)

    def next_ready_at(self, latest: float) -> float:
        """When somebody is due again, at the latest then."""
        with self._lock:
            return min([latest, *map(self._ready_at, self._due)])

    def projects(self) -> Iterable[int]:
        with self._lock:
            return list(self._due)

    def _ready_at(self, project: int) -> float:
        return max(self._due[project], self._rest.get(project, 0.0))


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
