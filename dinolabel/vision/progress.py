"""Progress of long work: one kind of event, and what listens to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """stage: what is being done, for people. done, total: how much of it, in the stage's own unit; total 0 where it is not known."""

    stage: str
    done: float
    total: float


Listener = Callable[[Progress], object]
"""Is called with each event, in the thread that does the work."""


def ignore(event: Progress) -> None:
    """The listener of those who do not care."""
