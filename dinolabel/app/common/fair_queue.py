"""Fair queue: one pass of the models at a time, and a few films at a time, both strictly in the order of asking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class FairSemaphore:
    """seats: how many may be at it at once. A pass of the models is short, so people who wait for each other's passes wait little."""

    def __init__(self, seats: int = 1) -> None:
        self._seats = seats
        self._taken = 0
        self._line: list[object] = []
        self._moved = threading.Condition()

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Wait for one's turn, however long."""
        with self.position() as waits:
            while waits(None):
                pass
            yield

    @contextmanager
    def position(self) -> Iterator[Callable[[float | None], int]]:
        """A place in the line, left with the block. Calling it waits up to so many seconds and says how many are before us; 0: go."""
        me = object()
        seated = False

        def waits(seconds: float | None) -> int:
            nonlocal seated
            with self._moved:
                if not seated and self._moved.wait_for(lambda: self._line[0] is me and self._taken < self._seats, timeout=seconds):
                    self._line.remove(me)
                    self._taken += 1
                    seated = True
                    self._moved.notify_all()
                return 0 if seated else self._taken + self._line.index(me)

        with self._moved:
            self._line.append(me)
        try:
            yield waits
        finally:
            with self._moved:
                if seated:
                    self._taken -= 1
                else:
                    self._line.remove(me)
                self._moved.notify_all()
