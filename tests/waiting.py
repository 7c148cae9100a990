"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(truth: Callable[[], object], seconds: float = 15.0, *, every: float = 0.02) -> None:
    """Wait until something is true. seconds: after which it fails. every: seconds between two looks."""
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, f"still not true after {seconds} s"
        time.sleep(every)
