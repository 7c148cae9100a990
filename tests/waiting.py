"""Waiting for what other threads and processes do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinolabel.backend.reconciler.reconciler import ReconcileResult
    from dinolabel.backend.service import Service


def eventually(truth: Callable[[], object], seconds: float = 15.0, *, every: float = 0.02) -> None:
    """Wait until something is true. seconds: after which it fails. every: seconds between two looks."""
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, f"still not true after {seconds} s"
        time.sleep(every)


def until_in_step(
    service: Service, project: int, *, seconds: float = 90.0, visit: float = 20.0, visits: float = math.inf
) -> ReconcileResult:
    """Visit a project until Label Studio shows what it should; the last visit's outcome.

    visit: seconds that each may take. visits: how many at most.
    """
    end, made = time.monotonic() + seconds, 1
    while not (outcome := service.reconcile(project, seconds=visit)).complete:
        assert time.monotonic() < end and made < visits, f"never in step: {outcome}"
        made += 1
    return outcome
