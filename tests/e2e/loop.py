"""A backend on a real Label Studio, over the world of coloured things: shared by the end-to-end tests of the loop, also as a child process.

As a program: `python -m tests.e2e.loop FOLDER URL PROJECT STEP` reconciles until in step, and kills itself with SIGKILL when it
reaches STEP (the token comes by environment). It prints each step it reaches.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from dinolabel.backend.jobs.runner import JobRunner
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.backend.project_status import ProjectState
from dinolabel.backend.reconciler import backfill
from dinolabel.backend.reconciler.rollout import RolloutEvent, StepDone
from dinolabel.backend.service import Service, ServiceOptions
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.media.network import USUAL, NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from tests.doubles.coloured_things import ColourSense, ThingDetector
from tests.waiting import until_in_step

TOKEN = "TEST_STUDIO_TOKEN"
WEIGHTS = ("nano", "nano")
SLOW_SECONDS = 0.05


def service(
    folder: Path,
    studio: LabelStudio | None,
    *,
    program: list[str] | None = None,
    seconds: float = 0.0,
    network: NetworkSettings = USUAL,
    **options: Any,
) -> Service:
    """Everything on disk under folder, so that another process goes on where this one ended. seconds: a detector pass takes per picture."""
    store = BundleStore(folder / "bundles")
    jobs = JobRunner(
        folder / "jobs",
        program=program or [sys.executable, "-c", "print('Trained.')"],
        environment=dict(os.environ),
        exports=folder / "exports",
        verdicts=lambda project: store.verdicts(str(project)),
    )
    pipeline = Pipeline(ThingDetector(seconds=seconds), ColourSense(), cache=Cache(folder / "cache.sqlite", max_mb=64))
    media = MediaResolver(studio, cache_dir=folder / "media", network=network)
    given = {"weights": WEIGHTS, "poll_seconds": 1.0, "quiet_seconds": 0.0} | options
    state = ProjectState(store, ProjectRegistry(folder / "projects.json"))
    return Service(studio, media, pipeline, state, jobs, ServiceOptions(**given))


def without_boxes(studio: LabelStudio, project: int) -> list[int]:
    """Unfinished tasks without a prediction of the version on show. Asked in this order, a switch in between cannot look like a gap:
    the version is read before the listing, and what it had then it has still."""
    shown = studio.projects.get(project).model_version
    return [each.id for each in studio.tasks.list(project) if not each.finished and shown not in each.versions]


class Watcher:
    """Looks again and again, while something else happens, whether every unfinished task has boxes of the version on show."""

    def __init__(self, studio: LabelStudio, project: int) -> None:
        self.looks, self.bare, self.shown = 0, [], []
        self._studio, self._project = studio, project
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            last = self._over.is_set()  # one more look after the end, so that the end is seen
            shown = self._studio.projects.get(self._project).model_version
            if shown not in self.shown[-1:]:
                self.shown.append(shown)
            self.bare += without_boxes(self._studio, self._project)
            self.looks += 1


def main() -> None:
    backfill.MAX_BATCH = 3  # several pushes, so that an end after the first leaves most tasks without the new version
    folder, url, project, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

    def listener(event: RolloutEvent) -> None:
        if not isinstance(event, StepDone):
            return
        sys.stdout.write(event.name + "\n")
        sys.stdout.flush()
        if event.name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    until_in_step(service(folder, LabelStudio(url, os.environ[TOKEN]), listener=listener), project)


if __name__ == "__main__":
    main()
