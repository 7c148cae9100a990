"""Dynamic batches: pictures of several callers in one detector pass; whoever comes within a few milliseconds with the same words shares
it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dinolabel.backend.errors import Busy
from dinolabel.backend.inference.priority_lock import PriorityLock
from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Image, Prompt, Thresholds

if TYPE_CHECKING:
    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """What is asked of an image. labels, names: as LabelledBox.of takes them; thresholds None: the pipeline's."""

    prompt: Prompt
    thresholds: Thresholds | None = None
    bundle: Bundle | None = field(default=None, compare=False)
    bundle_id: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class _QueuedImage:
    options: DetectOptions
    image: Image
    answer: Future[list[LabelledBox]]


class DynamicBatcher:
    """One thread that empties a bounded queue. most: images that may wait; wait_seconds: how long the first of a pass waits for others."""

    def __init__(self, pipeline: Pipeline, turn: PriorityLock, *, most: int = 64, wait_seconds: float = 0.008) -> None:
        self._pipeline, self._turn, self._wait = pipeline, turn, wait_seconds
        self._queue: queue.Queue[_QueuedImage | None] = queue.Queue(most)
        self._thread = threading.Thread(target=self._run, name="batching", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(seconds)

    def submit(self, question: DetectOptions, images: Sequence[Image]) -> list[Future[list[LabelledBox]]]:
        """A future for each image: its finds, or the DinolabelError that it met. Raises Busy when too many wait."""
        if self._queue.maxsize - self._queue.qsize() < len(images):
            raise Busy("Too many pictures wait already.")
        waiting = [_QueuedImage(question, image, Future()) for image in images]
        for each in waiting:
            self._queue.put(each)
        return [each.answer for each in waiting]

    def _run(self) -> None:
        left: _QueuedImage | None = None
        while (first := left or self._queue.get()) is not None:
            batch, left, over = self._collect(first)
            self._answer(batch)
            if over:
                return

    def _collect(self, first: _QueuedImage) -> tuple[list[_QueuedImage], _QueuedImage | None, bool]:
        """Those that ask the same, up to one detector pass; then the first that does not, and whether that was the end."""
        batch, until = [first], time.monotonic() + self._wait
        while len(batch) < self._pipeline.batch_size:
            try:
                each = self._queue.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            if each is None:
                return batch, None, True
            if each.options != first.options:
                return batch, each, False
            batch.append(each)
        return batch, None, False

    def _answer(self, batch: list[_QueuedImage]) -> None:
        """All together; when that fails, each alone, so that one bad picture costs nobody else."""
        try:
            for each, found in zip(batch, self._detect(batch), strict=True):
                each.answer.set_result(found)
        except DinolabelError as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for each in batch:
                self._answer([each])
        except Exception as error:  # noqa: BLE001 - the thread must live on; whoever asked gets the error
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)

    def _detect(self, batch: list[_QueuedImage]) -> list[list[LabelledBox]]:
        asked = batch[0].options
        with self._turn.acquire(urgent=True):
            return self._pipeline.predict_labelled(
                [each.image for each in batch], asked.prompt, asked.bundle, asked.thresholds,
                labels=dict(asked.labels), names=None if asked.names is None else dict(asked.names),
            )  # fmt: skip
