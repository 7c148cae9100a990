"""From tasks to predictions: find the picture, run the pipeline, write Label Studio's regions; one bad task never costs the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from dinolabel.backend.errors import presentable
from dinolabel.backend.inference.priority_lock import PriorityLock
from dinolabel.backend.inference.serving_config import ServingConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.types import Detection, Image, Suppressed

if TYPE_CHECKING:
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.pipeline import Pipeline

log = structlog.get_logger(__name__)
T = TypeVar("T")


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

    urgent: a person waits, so it goes between the chunks of the others. fresh: new region ids, for interactive answers.
    stopped: asked between chunks; True when nobody waits any more.
    """

    recipe: ServingConfig
    urgent: bool = False
    fresh: bool = False
    cancelled: Callable[[], bool] = lambda: False


class Predictor:
    """The one user of the pipeline in this process."""

    def __init__(self, media: MediaResolver, pipeline: Pipeline, *, batch_size: int = 4) -> None:
        self._media = media
        self._pipeline = pipeline
        self._batch = batch_size
        self.turn = PriorityLock()

    def predictions(self, errand: PredictionJob, tasks: Sequence[TaskLike]) -> Iterator[Prediction | Failure]:
        """One for each task, in order, as they get ready. Ends early when the errand is stopped."""
        for start in range(0, len(tasks), self._batch):
            try:
                yield from self._chunk(errand, tasks[start : start + self._batch])
            except Cancelled:
                return

    def _chunk(self, errand: PredictionJob, tasks: Sequence[TaskLike]) -> list[Prediction | Failure]:
        about = {"project": errand.recipe.project}
        opened = [_capture(partial(self._open, errand, task), **about, task=task.id) for task in tasks]
        found = self._detect(errand, tasks, opened)
        return [_answer(errand, task, image, each) for task, image, each in zip(tasks, opened, found, strict=True)]

    def _open(self, errand: PredictionJob, task: TaskLike) -> Image:
        if errand.cancelled():
            raise Cancelled
        return open_image(self._media.resolve(errand.recipe.config.picture_in(task.data), task=task.id))

    def _detect(
        self, errand: PredictionJob, tasks: Sequence[TaskLike], opened: Sequence[Image | Exception]
    ) -> list[list[Detection] | Exception]:
        """All together; when that fails, one by one, to find the one it is about."""
        about = {"project": errand.recipe.project}
        images = [each for each in opened if isinstance(each, Image)]
        together = _capture(partial(self._run, errand, images), **about, tasks=len(images))
        if not isinstance(together, Exception):
            rest = iter(together)
            return [each if isinstance(each, Exception) else next(rest) for each in opened]
        if len(images) == 1:
            return [each if isinstance(each, Exception) else together for each in opened]
        return [
            each if isinstance(each, Exception) else _capture(partial(self._retry_single, errand, each), **about, task=task.id)
            for task, each in zip(tasks, opened, strict=True)
        ]

    def _retry_single(self, errand: PredictionJob, image: Image) -> list[Detection]:
        return self._run(errand, [image])[0]

    def _run(self, errand: PredictionJob, images: Sequence[Image]) -> list[list[Detection]]:
        if not images:
            return []
        recipe = errand.recipe
        with self.turn.acquire(urgent=errand.urgent):
            if errand.cancelled():
                raise Cancelled
            config = recipe.config
            found = self._pipeline.predict(images, config.prompt, recipe.bundle, recipe.thresholds, labels=config.prompt_map)
            if recipe.bundle is None and not errand.urgent:
                # So that the first names, once trained, appear without another forward pass.
                _capture(
                    partial(self._pipeline.precompute_embeddings, list(zip(images, found, strict=True))),
                    project=recipe.project,
                    tasks=len(images),
                )
            return found


def _answer(errand: PredictionJob, task: TaskLike, image: Image | Exception, found: list[Detection] | Exception) -> Prediction | Failure:
    if isinstance(image, Exception):
        return Failure(task.id, image)
    if isinstance(found, Exception):
        return Failure(task.id, found)
    made = _capture(partial(_to_prediction, errand, task, image, found), project=errand.recipe.project, task=task.id)
    return Failure(task.id, made) if isinstance(made, Exception) else made


def _to_prediction(errand: PredictionJob, task: TaskLike, image: Image, detections: Sequence[Detection]) -> Prediction:
    version = errand.recipe.version
    size = {"width": image.width, "height": image.height}
    result = to_result(detections, errand.recipe.config, **size, task=task.id, version=version, fresh=errand.fresh)
    return Prediction(task.id, to_prediction(task.id, result, version), sum(isinstance(each.answer, Suppressed) for each in detections))


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
