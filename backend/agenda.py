"""Who is to be visited when: by the clock, sooner when something happened, and not again at once after a visit that took long.

Knows numbers and times; safe to be told from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

REST = 2.0
"""Times the length of the last visit: in a project of 50,000 tasks one listing takes half a minute, and every submit would ask for one."""
LONGEST_REST = 30.0


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

    def rest(self, project: int, begun: float, ended: float) -> None:
        """Let it rest, in proportion to what the visit cost."""
        with self._lock:
            self._rest[project] = ended + min(REST * (ended - begun), LONGEST_REST)

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
