"""Predictions within a deadline: answers `/predict` within its deadline with what is ready, and does the rest where nobody waits.

Label Studio gives a request 100 s and a person gives it less; `{}` for a task means "ask me again".
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from dinolabel.backend.inference.predictor import Failure, Prediction, PredictionJob, Predictor, TaskLike
from dinolabel.backend.inference.serving_config import ServingConfig

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for one task (a person looks at a blank screen) and for many; requests that are worked on at once."""

    single: float = 8.0
    batch: float = 60.0
    max_requests: int = 2


class DeadlinePredictor:
    """Admits a few requests at a time; beyond that, nothing is ready and the caller learns so at once."""

    def __init__(self, predictor: Predictor, deadlines: Deadlines = Deadlines()) -> None:
        self._predictor = predictor
        self._deadlines = deadlines
        self._admission = threading.BoundedSemaphore(deadlines.max_requests)

    def predict(self, recipe: ServingConfig, tasks: Sequence[TaskLike], *, fresh: bool) -> list[Prediction | Failure | None]:
        """One for each task, in order; None for those that were not ready in time."""
        if not tasks:
            return []
        if not self._admission.acquire(blocking=False):
            log.info("predict_busy", project=recipe.project, tasks=len(tasks))
            return [None] * len(tasks)
        try:
            work = _DeadlineRun(self._predictor, recipe, tasks, fresh=fresh)
            return work.wait(self._deadlines.single if len(tasks) == 1 else self._deadlines.batch)
        finally:
            self._admission.release()


class _DeadlineRun:
    """One request's tasks in a thread of their own: a forward pass cannot be interrupted, but waiting for it can."""

    def __init__(self, predictor: Predictor, recipe: ServingConfig, tasks: Sequence[TaskLike], *, fresh: bool) -> None:
        self._made: list[Prediction | Failure] = []
        self._predictor, self._recipe, self._tasks, self._fresh = predictor, recipe, tasks, fresh
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="predict", daemon=True)

    def wait(self, seconds: float) -> list[Prediction | Failure | None]:
        self._thread.start()
        self._thread.join(seconds)
        self._over.set()
        ready = list(self._made)
        return [*ready, *[None] * (len(self._tasks) - len(ready))]

    def _run(self) -> None:
        errand = PredictionJob(self._recipe, urgent=True, fresh=self._fresh, cancelled=self._over.is_set)
        for each in self._predictor.predictions(errand, self._tasks):
            self._made.append(each)


class BackgroundPredictor:
    """Does in the background what a request had no time for, so that asking again finds it in the caches."""

    def __init__(self, predictor: Predictor, *, most: int = 8) -> None:
        self._predictor = predictor
        self._waiting: queue.Queue[tuple[ServingConfig, Sequence[TaskLike]] | None] = queue.Queue(most)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="later", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Ends after the chunk at hand."""
        self._over.set()
        if not self._waiting.full():
            self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def submit(self, recipe: ServingConfig, tasks: Sequence[TaskLike]) -> bool:
        """False when so much waits already that this is not taken on; whoever needs it asks again."""
        try:
            self._waiting.put_nowait((recipe, tasks))
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None and not self._over.is_set():
            recipe, tasks = work
            errand = PredictionJob(recipe, cancelled=self._over.is_set)
            ready = sum(isinstance(each, Prediction) for each in self._predictor.predictions(errand, tasks))
            log.info("prepared", project=recipe.project, ready=ready, tasks=len(tasks))
