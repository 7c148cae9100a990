"""The demo from top to bottom: fill, score, review, train, switch, score again. Reads as it happens."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dinolabel.cli import console
from dinolabel.demo.review import ReviewerEffort, review
from dinolabel.demo.score import DemoScore, LabelledPrediction, score
from dinolabel.demo.stage import DemoFailed, DemoStage
from dinolabel.demo.world import World
from dinolabel.projects import connect

FILL_SECONDS = 420.0
TRAIN_SECONDS = 240.0
SWITCH_SECONDS = 120.0

Shown = Mapping[str, Sequence[LabelledPrediction]]


@dataclass(slots=True)
class DemoResult:
    """What came out. before: labelled boxes of every scene under the first model_version; after: of the unseen ones under the last."""

    before: Shown
    after: Shown
    version_before: str
    version_after: str
    effort: ReviewerEffort
    train_seconds: float
    switch_seconds: float
    tasks_without_boxes: int
    score_before: DemoScore
    score_after: DemoScore
    reason: str


@dataclass(slots=True)
class SwitchWatcher:
    """Looks, while a switch goes on, for tasks that would open without boxes. worst: the most such tasks seen at once; looks: how often."""

    stage: DemoStage
    worst: int = 0
    looks: int = 0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: Exception | None = None

    def __enter__(self) -> SwitchWatcher:
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        assert self._thread is not None
        self._thread.join()
        if self._error is not None:
            raise DemoFailed(f"Could not watch the switch: {self._error}") from self._error
        if not self.looks:
            raise DemoFailed("The switch was over before it could be watched once.")

    def _run(self) -> None:
        try:
            while not self._done.is_set():
                shown = self.stage.shown_version()
                rows = [row for row in self.stage.tasks().values() if not row.annotated]
                if self.stage.shown_version() == shown:  # the two questions are about one moment
                    self.worst = max(self.worst, sum(shown not in row.versions for row in rows))
                    self.looks += 1
                self._done.wait(0.2)
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._error = error


def lay_out(world: World, photos: Path) -> None:
    """Copy the scenes to a folder of their own: what a person would call their photos."""
    photos.mkdir(parents=True)
    for scene in world.scenes:
        shutil.copyfile(world.folder / scene.file, photos / scene.file)


def play(stage: DemoStage, world: World, photograph: Callable[[str], object]) -> DemoResult:
    """Raises DemoFailed at the first step that does not come out. photograph: called with `before` and `after` the switch."""
    with console.step("Proposing boxes from the words") as came_out:
        before_version = fill(stage, len(world.scenes))
        before = stage.labelled(before_version, world.scenes)
        came_out(f"Boxes on {len(before)} pictures: {sum(map(len, before.values()))}, as {before_version}")
    photograph("before")
    with console.step("Reviewing every other picture") as came_out:
        effort = _review(stage, world, before_version)
        came_out(f"Reviewed {effort.submits} pictures: {effort.sentence}")
    with SwitchWatcher(stage) as watch:
        with console.step("Training, started by Label Studio's button") as came_out:
            train_seconds, reason = train(stage)
            came_out(f"Published: {reason}")
        with console.step("Switching every picture to names") as came_out:
            switch_seconds = switch(stage, before_version)
            came_out(f"Label Studio shows {stage.shown_version()}")
    after_version = stage.shown_version()
    after = stage.labelled(after_version, world.unseen)  # finished tasks need no more predictions
    photograph("after")
    return DemoResult(
        before=before,
        after=after,
        version_before=before_version,
        version_after=after_version,
        effort=effort,
        train_seconds=train_seconds,
        switch_seconds=switch_seconds,
        tasks_without_boxes=watch.worst,
        score_before=_score(world, before),
        score_after=_score(world, after),
        reason=reason,
    )


def fill(stage: DemoStage, count: int) -> str:
    """Wait until every task has a prediction of the version that is shown; returns that version."""

    def filled() -> bool:
        shown = stage.shown_version()
        rows = stage.tasks().values()
        return shown not in ("", connect.TITLE) and len(rows) == count and all(shown in row.versions for row in rows)

    stage.wait("boxes on every picture", filled, seconds=FILL_SECONDS)
    return stage.shown_version()


def _review(stage: DemoStage, world: World, version: str) -> ReviewerEffort:
    effort, config, tasks = ReviewerEffort(), stage.config(), stage.tasks()
    for scene in world.reviewed:
        task = tasks[scene.file].id
        prediction, result = stage.result(task, version)
        corrected = review(result, scene, world.prompted_things(scene), config=config, effort=effort)
        stage.studio.annotations.create(task, corrected, lead_time=2.0 * len(corrected), parent_prediction=prediction)
    return effort


def train(stage: DemoStage) -> tuple[float, str]:
    """Press *Start training*; seconds until a head is published, and the verdict in words."""
    project = str(stage.project)
    backends = [each for each in stage.studio.backends.list(stage.project) if each.title == connect.TITLE]
    if not backends:
        raise DemoFailed("Label Studio has no ML backend of ours: it cannot start a training.")
    known = len(stage.store.verdicts(project))
    began = time.monotonic()
    stage.studio.backends.start_training(backends[0].id)
    stage.wait("the verdict of the training", lambda: len(stage.store.verdicts(project)) > known, seconds=TRAIN_SECONDS)
    seconds = time.monotonic() - began
    verdict = stage.store.verdicts(project)[-1]
    if not verdict["published"]:
        raise DemoFailed(f"The head was not published: {verdict['reason']}")
    return seconds, str(verdict["reason"])


def switch(stage: DemoStage, before: str) -> float:
    """Wait until another version than `before` is shown; seconds."""
    began = time.monotonic()
    stage.wait("the switch", lambda: stage.shown_version() != before, seconds=SWITCH_SECONDS, poll=0.05)
    return time.monotonic() - began


def _score(world: World, shown: Shown) -> DemoScore:
    """On the scenes that nobody reviewed."""
    return score([(shown[scene.file], world.prompted_things(scene)) for scene in world.unseen], world.names)
