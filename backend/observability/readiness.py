"""Readiness of one service: whether all that it needs is there, for probes that ask /ready."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel.backend.errors import NotReady
from dinolabel.backend.project_status import ProjectStatus, StatusBoard
from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from dinolabel.backend.inference.inference_queue import InferenceQueue
    from dinolabel.backend.jobs.runner import JobRunner
    from dinolabel.backend.project_registry import ProjectRegistry

LEAST_FREE = 200 * 2**20
"""Bytes: below that trainings and exports fail before they end."""
LONG_AGO = 600.0
"""Seconds, or ten polls: a project that nobody visited for so long is not looked after."""


def check_ready(registry: ProjectRegistry, jobs: JobRunner, queue: InferenceQueue, board: StatusBoard, *, patience: float) -> list[str]:
    """What was looked at, and found well. patience: seconds that a project may be left alone. Raises NotReady that says what is not."""
    attached, unreadable = _attached(registry)
    troubles = {
        "registry": unreadable,
        "jobs": jobs.trouble(),
        "disk": _disk_trouble(registry.path.parent),
        "models": "the server is being stopped." if queue.stopping else "",
        "Label Studio": _studio_trouble([each for each in board.all() if each.project in attached], max(LONG_AGO, patience)),
    }
    if told := [f"{part}: {trouble}" for part, trouble in troubles.items() if trouble]:
        raise NotReady(" ".join(told))
    return list(troubles)


def _attached(registry: ProjectRegistry) -> tuple[set[int], str]:
    """The projects that are visited, and why they cannot be read. The board has detached ones and those answered live, too."""
    try:
        return {each.project for each in registry.all()}, ""
    except DinolabelError as error:
        return set(), str(error)


def _disk_trouble(folder: Path) -> str:
    free = shutil.disk_usage(folder).free if folder.exists() else LEAST_FREE
    return "" if free >= LEAST_FREE else f"only {free >> 20} MB are free in the data folder."


def _studio_trouble(statuses: Sequence[ProjectStatus], patience: float) -> str:
    """What all projects suffer from: a Label Studio that is away, or lets us in nowhere, or visits that have stopped.

    One project that is refused, or rests, is said on the page and in the metrics; the others are served all the same.
    """
    at_work = [each for each in statuses if each.state != "paused"]
    if away := [each for each in at_work if each.state == "unreachable"]:
        return away[0].note
    if at_work and all(each.state == "rejected" for each in at_work):
        return at_work[0].note
    silent = time.time() - max((each.at for each in at_work), default=time.time())
    return f"no project was visited for {round(silent / 60)} minutes." if silent > patience else ""
