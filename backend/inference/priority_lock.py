"""Priority lock of the model: one at a time, and a person who waits goes before the work nobody watches.

A plain lock would let the background take it again and again: it is not fair.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PriorityLock:
    """One owner of the GPU or CPU at a time."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._taken = False
        self._urgent = 0

    @contextmanager
    def acquire(self, *, urgent: bool) -> Iterator[None]:
        """Wait for the model; the background waits until nobody urgent does."""
        with self._free:
            self._urgent += urgent
            self._free.wait_for(lambda: not self._taken and (urgent or not self._urgent))
            self._urgent -= urgent
            self._taken = True
        try:
            yield
        finally:
            with self._free:
                self._taken = False
                self._free.notify_all()
