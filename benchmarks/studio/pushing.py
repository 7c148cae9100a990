"""How long until 1,000 tasks have boxes: Label Studio's own action *Retrieve predictions*, and `dinolabel preannotate`, in turn.

Both are given the same pictures out of the same warm caches; each time a project of its own, so that nothing is there yet.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.studio.stand import Stand, until
from tests import studio_calls

PUSHER = "pusher"
"""The data folder of the command: with the backend's own, the backend would push before anybody could look at a clock."""


def warm(stand: Stand, pictures: Sequence[Path]) -> tuple[int, str]:
    """A project whose pictures the caches know afterwards, and the version of its boxes."""
    project = stand.project("warm", pictures)
    stand.connect(project)
    until(
        lambda: stand.state(project).get("phase") == "synced" and stand.studio.projects.get(project).model_version,
        "warm caches",
        seconds=3600,
    )
    version = stand.studio.projects.get(project).model_version
    seen = [len(each["result"]) for row in list(stand.studio.tasks.list(project))[:50] for each in stand.studio.predictions.list(row.id)]
    print(f"{len(pictures)} tasks, {statistics.mean(seen):.1f} boxes each (mean of {len(seen)})", flush=True)
    shutil.rmtree(stand.folder / PUSHER, ignore_errors=True)
    (stand.folder / PUSHER).mkdir()
    for pattern in ("cache.sqlite*", "models.json"):
        for each in (stand.folder / "data").glob(pattern):
            shutil.copy(each, stand.folder / PUSHER / each.name)
    return project, version


def by_action(stand: Stand, pictures: Sequence[Path], version: str) -> float:
    """Seconds. The backend is paused for this project: it answers, and pushes nothing by itself."""
    project = stand.project("by the action", pictures, paused=True)
    stand.connect(project)
    begun = time.perf_counter()
    studio_calls.retrieve_predictions(stand.studio, project)
    seconds = time.perf_counter() - begun
    _check(stand, project, version, len(pictures))
    return seconds


def by_command(stand: Stand, pictures: Sequence[Path], version: str) -> float:
    """Seconds from the command's start until the count was read back."""
    project = stand.project("by the command", pictures, data=PUSHER)
    begun = time.perf_counter()
    stand.run("preannotate", "--project", str(project), "--yes", data=PUSHER)
    _check(stand, project, version, len(pictures))
    return time.perf_counter() - begun


def measure(stand: Stand, pictures: Sequence[Path], version: str, *, rounds: int) -> dict[str, float]:
    """Medians of as many rounds, one after the other in turn."""
    action, command = [], []
    for number in range(rounds):
        command.append(by_command(stand, pictures, version))
        action.append(by_action(stand, pictures, version))
        print(f"round {number + 1}: action {action[-1]:.1f} s, command {command[-1]:.1f} s", flush=True)
    return {"retrieve_action_seconds": statistics.median(action), "push_seconds": statistics.median(command)}


def _check(stand: Stand, project: int, version: str, wanted: int) -> None:
    stored = stand.stored(project, version)
    if stored != wanted:
        raise RuntimeError(f"project {project} has {stored} of {wanted} predictions of {version}")
