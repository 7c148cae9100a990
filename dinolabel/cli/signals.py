"""Signals that stop a long run: they raise KeyboardInterrupt, as Ctrl-C does, so that `finally` ends what we started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""A closed terminal is not among them: under nohup a server outlives it."""
STOP_OR_HANGUP_SIGNALS = (*STOP_SIGNALS, signal.SIGHUP)


@contextmanager
def handle_signals(numbers: tuple[signal.Signals, ...] = STOP_SIGNALS) -> Iterator[None]:
    """Also where a shell had them ignored, as shells do with SIGINT for what a script starts in the background. Main thread only."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
