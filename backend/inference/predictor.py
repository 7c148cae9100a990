"""From tasks to predictions: find the picture, ask the models, write Label Studio's regions; one bad task never costs the others.

Label Studio gives a request 100 s and a person gives it less: what is not ready by then is left out, for asking again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from dinolabel.backend.errors import Busy, presentable
from dinolabel.backend.inference.inference_queue import DetectOptions, InferenceQueue, Priority
from dinolabel.backend.inference.serving_config import ServingConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.types import Detection, Image, Suppressed

if TYPE_CHECKING:
    from dinolabel.studio.media.resolver import MediaResolver

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How soon a job that nobody waits for any more is noticed while the models are busy."""
MOST_PREPARED = 8
"""Requests whose late tasks wait to be done in the background; whoever needs more asks again."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for one task (a person looks at a blank screen) and for many."""

    single: float = 8.0
    batch: float = 60.0


class TaskLike(Protocol):
    """A task as listed or as asked about."""

    @property
    def id(self) -> int: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """stored: {"task", "result", "score", "model_version"} as Label Studio imports it. suppressed: boxes left out of it because people
    keep deleting their like."""

    task: int
    stored: dict[str, Any] = field(repr=False)
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no prediction this time."""

    task: int
    error: Exception


class Cancelled(Exception):
    """Nobody waits for the rest any more."""


@dataclass(frozen=True, slots=True)
class PredictionJob:
    """What is wanted of a row of tasks.

    fresh: new region ids, for interactive answers. deadline: of the queue's clock; the rest is not done then.
    cancelled: asked between chunks; True when nobody waits any more.
    """

    recipe: ServingConfig
    priority: Priority = Priority.BACKGROUND
    fresh: bool = False
    deadline: float = math.inf
    cancelled: Callable[[], bool] = lambda: False

    @property
    def options(self) -> DetectOptions:
        config, recipe = self.recipe.config, self.recipe
        keeps = recipe.bundle is None and self.priority == Priority.BACKGROUND
        asked = tuple(config.prompt_map.items())
        return DetectOptions(config.prompt, recipe.thresholds, recipe.bundle, asked, keeps, config.embedder, recipe.student)


class Predictor:
    """Finds the pictures of tasks, and asks the queue about them."""

    def __init__(self, media: MediaResolver, queue: InferenceQueue, deadlines: Deadlines = Deadlines()) -> None:
        self._media, self._queue, self._deadlines = media, queue, deadlines
        self.on_answer: Callable[[int, str, Sequence[Detection]], object] = lambda project, version, detections: None

    def predict(self, recipe: ServingConfig, tasks: Sequence[TaskLike], *, fresh: bool) -> list[Prediction | Failure | None]:
        """One for each task, in order; None for those that were not ready in time, or when too much waits already."""
        alone = len(tasks) == 1
        deadline = self._queue.clock() + (self._deadlines.single if alone else self._deadlines.batch)
        priority = Priority.INTERACTIVE if alone or fresh else Priority.REQUEST
        try:
            with self._queue.admit(priority):
                ready = list(self.predictions(PredictionJob(recipe, priority, fresh, deadline), tasks))
        except Busy as error:
            log.info("predict_busy", project=recipe.project, tasks=len(tasks), reason=str(error))
            ready = []
        return [*ready, *[None] * (len(tasks) - len(ready))]

    def predictions(self, job: PredictionJob, tasks: Sequence[TaskLike]) -> Iterator[Prediction | Failure]:
        """One for each task, in order, as they get ready. Ends early when the job is cancelled or its time is over."""
        size = self._queue.pipeline.batch_size
        for start in range(0, len(tasks), size):
            try:
                yield from self._chunk(job, tasks[start : start + size])
            except Cancelled:
                return

    def open_image(self, recipe: ServingConfig, task: TaskLike) -> Image:
        """The picture of a task, its pixels not decoded yet. Raises MediaError, StudioError."""
        with self._queue.pipeline.stage("fetch"):
            return self._open_file(recipe, task)

    def _open_file(self, recipe: ServingConfig, task: TaskLike) -> Image:
        return open_image(self._media.resolve(recipe.config.picture_in(task.data), task=task.id))

    def _chunk(self, job: PredictionJob, tasks: Sequence[TaskLike]) -> Iterator[Prediction | Failure]:
        about = {"project": job.recipe.project}
        opened = self._open_all(job, tasks)
        images = [each for each in opened if isinstance(each, Image)]
        try:
            asked = self._queue.submit(images, job.options, priority=job.priority, deadline=job.deadline) if images else []
        except Busy as error:
            raise Cancelled from error
        rest = iter(asked)
        try:
            for task, image in zip(tasks, opened, strict=True):
                found = _capture(partial(self._wait, job, next(rest)), **about, task=task.id) if isinstance(image, Image) else image
                if isinstance(found, list):
                    self.on_answer(job.recipe.project, job.recipe.version, found)
                yield _answer(job, task, image, found)
        finally:
            for each in asked:
                each.cancel()

    def _open_all(self, job: PredictionJob, tasks: Sequence[TaskLike]) -> list[Image | Exception]:
        """In a thread where somebody waits: a slow host must not hold them beyond their time."""
        calls = [partial(_capture, partial(self._open, job, task), project=job.recipe.project, task=task.id) for task in tasks]
        if math.isinf(job.deadline):
            return [call() for call in calls]
        opened: list[Future[Image | Exception]] = [Future() for _ in calls]
        threading.Thread(target=copy_context().run, args=(_settle, calls, opened), name="open", daemon=True).start()
        return [self._wait(job, each) for each in opened]

    def _open(self, job: PredictionJob, task: TaskLike) -> Image:
        if job.cancelled() or self._queue.clock() >= job.deadline:
            raise Cancelled
        return self.open_image(job.recipe, task)

    def _wait(self, job: PredictionJob, answer: Future[T]) -> T:
        """Raises Cancelled when the time is over, the server stops or nobody waits any more; else what the future raises."""
        while True:
            left = job.deadline - self._queue.clock()
            try:
                return answer.result(max(0.0, min(left, LOOK_SECONDS)))
            except TooLate as error:
                if answer.done() and not answer.cancelled() and answer.exception() is error:
                    raise  # not ours: a disk or a model far away took too long
                if left <= LOOK_SECONDS or (job.cancelled() and answer.cancel()):  # what is being computed is waited for
                    raise Cancelled from error
            except Busy as error:
                raise Cancelled from error


class BackgroundPredictor:
    """Does in the background what a request had no time for, so that asking again finds it in the caches."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._over = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_PREPARED)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def stop(self) -> None:
        """Ends after the chunk at hand."""
        self._over.set()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, recipe: ServingConfig, tasks: Sequence[TaskLike]) -> bool:
        """False when so much waits already that this is not taken on; whoever needs it asks again."""
        if self._over.is_set() or not self._places.acquire(blocking=False):
            return False
        self._pool.submit(self._prepare, recipe, tasks)
        return True

    def _prepare(self, recipe: ServingConfig, tasks: Sequence[TaskLike]) -> None:
        try:
            job = PredictionJob(recipe, cancelled=self._over.is_set)
            ready = sum(isinstance(each, Prediction) for each in self._predictor.predictions(job, tasks))
            log.info("prepared", project=recipe.project, ready=ready, tasks=len(tasks))
        finally:
            self._places.release()


def _answer(job: PredictionJob, task: TaskLike, image: Image | Exception, found: list[Detection] | Exception) -> Prediction | Failure:
    if isinstance(image, Exception):
        return Failure(task.id, image)
    if isinstance(found, Exception):
        return Failure(task.id, found)
    made = _capture(partial(_to_prediction, job, task, image, found), project=job.recipe.project, task=task.id)
    return Failure(task.id, made) if isinstance(made, Exception) else made


def _to_prediction(job: PredictionJob, task: TaskLike, image: Image, detections: Sequence[Detection]) -> Prediction:
    version = job.recipe.version
    size = {"width": image.width, "height": image.height}
    result = to_result(detections, job.recipe.config, **size, task=task.id, version=version, fresh=job.fresh)
    return Prediction(task.id, to_prediction(task.id, result, version), sum(isinstance(each.answer, Suppressed) for each in detections))


def _settle(calls: Sequence[Callable[[], T]], futures: Sequence[Future[T]]) -> None:
    for call, future in zip(calls, futures, strict=True):
        try:
            future.set_result(call())
        except Cancelled as error:
            future.set_exception(error)


def _capture(call: Callable[[], T], **about: object) -> T | Exception:
    """The border between one task and the others: whatever goes wrong in it stays in it, and is logged here."""
    try:
        return call()
    except Cancelled:
        raise
    except DinolabelError as error:
        log.warning("task_failed", **about, error=type(error).__name__, reason=presentable(str(error)))
        return error
    except Exception as error:
        log.exception("task_failed", **about)
        return error
