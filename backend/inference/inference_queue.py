"""Inference queue: the one way to the models. What waits is taken by priority, in batches of those that ask the same, before its
deadline.

One thread owns the models: a pass cannot be interrupted, but waiting for it can.
"""

from __future__ import annotations

import bisect
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.errors import Busy, ServerStopping
from dinolabel.vision.types import Detection, Image, Prompt, Thresholds

if TYPE_CHECKING:
    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.students.student import Student

log = structlog.get_logger(__name__)


MOST_REQUESTS = 16
"""At work at once: fewer than the server has threads, so that /health, /setup and /webhook have some."""
FOR_PEOPLE = 4
"""Of these places, kept for who looks at a blank screen, however many programs ask."""
FAIR_SHARE = 8
"""One pass in so many is for what has waited longest of what is less urgent: else programs that never pause would stop the filling."""
MOST_WAITING = 64
"""Pictures; at 4 a pass and seconds a pass on a CPU, more would be late anyway."""


class Priority(IntEnum):
    """INTERACTIVE: a person looks at a blank screen. REQUEST: a program or many tasks. BACKGROUND: nobody waits."""

    INTERACTIVE = 0
    REQUEST = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """What is asked of an image. thresholds None: the pipeline's. labels: phrase -> label, so that synonyms find a thing once.

    keeps: whether embeddings are kept, so that the first names, once trained, appear without another forward pass.
    embedder: of these, as LabelConfig has it. student: asked first.
    """

    prompt: Prompt
    thresholds: Thresholds | None = None
    bundle: Bundle | None = field(default=None, compare=False)
    labels: tuple[tuple[str, str], ...] = ()
    keeps: bool = False
    embedder: str = ""
    student: Student | None = None

    def same(self, other: DetectOptions) -> bool:
        """Whether one pass can answer both: heads are the same when they are one object."""
        return self == other and self.bundle is other.bundle


@dataclass(frozen=True, slots=True, eq=False)
class _QueuedImage:
    priority: Priority
    number: int
    image: Image
    options: DetectOptions
    deadline: float
    due: float
    since: float
    answer: Future[list[Detection]] = field(default_factory=Future)
    context: Context = field(default_factory=copy_context)


class InferenceQueue:
    """Bounded for all but the background, which has a chunk or two in it. Its thread begins with the first image.

    most_images: that may wait. most_requests: that may be at work, from their first picture on: fewer than the server has threads.
    gather_seconds: how long the first of a batch waits for others while other requests are at work.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        most_images: int = MOST_WAITING,
        most_requests: int = MOST_REQUESTS,
        gather_seconds: float = 0.008,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pipeline, self.clock = pipeline, clock
        self._most, self._gather, self._places = most_images, gather_seconds, most_requests
        self._changed = threading.Condition()
        self._waiting: list[_QueuedImage] = []  # in the order in which they are taken
        self._computing: list[_QueuedImage] = []
        self._numbers = self._requests = self._passed_over = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    @contextmanager
    def admit(self, priority: Priority = Priority.REQUEST) -> Iterator[None]:
        """One request's stay, from before it fetches its pictures. Raises Busy, ServerStopping."""
        with self._changed:
            if self._stopping:
                raise ServerStopping("The server is being stopped.")
            if self._requests >= self._places - (0 if priority == Priority.INTERACTIVE else min(FOR_PEOPLE, self._places // 2)):
                raise Busy("Too many requests wait already.")
            self._requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1

    def submit(
        self, images: Sequence[Image], options: DetectOptions, *, priority: Priority, deadline: float = math.inf
    ) -> list[Future[list[Detection]]]:
        """A future for each image: its detections, best first, or the error that it met.

        deadline: of the clock; what still waits then is answered with Busy and not computed. Raises Busy, ServerStopping.
        """
        with self._changed:
            if self._stopping:
                raise ServerStopping("The server is being stopped.")
            if priority < Priority.BACKGROUND and self._before(priority) + len(images) > self._most:
                raise Busy("Too many pictures wait already.")
            due = self.clock() + (self._gather if self._requests > 1 and priority < Priority.BACKGROUND else 0)
            about, now = (options, deadline, due), self.clock()
            added = [_QueuedImage(priority, self._numbers + place, each, *about, now) for place, each in enumerate(images)]
            self._numbers += len(images)
            for each in added:
                bisect.insort(self._waiting, each, key=lambda one: (one.priority, one.number))
            if added and self._thread.ident is None:
                self._thread.start()
            self._changed.notify_all()
        return [each.answer for each in added]

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def depth(self) -> int:
        """Images that somebody waits for."""
        return sum(each.priority < Priority.BACKGROUND for each in self._waiting)

    def _before(self, priority: Priority) -> int:
        """Images that count against another one of that priority: people's pictures are not refused for those of programs."""
        return sum(each.priority <= priority for each in self._waiting)

    def waiting(self) -> dict[str, tuple[int, float]]:
        """By priority: how many images wait, and the seconds that the oldest does."""
        with self._changed:
            now, waiting = self.clock(), list(self._waiting)
        since = {each: [one.since for one in waiting if one.priority == each] for each in Priority}
        return {each.name.lower(): (len(found), now - min(found, default=now)) for each, found in since.items()}

    def stop(self, seconds: float = 6.0) -> bool:
        """Answer all that wait with ServerStopping and let the pass at hand end; False when it has not ended after so long."""
        with self._changed:
            self._stopping = True
            left, self._waiting = [*self._computing, *self._waiting], []
            self._changed.notify_all()
        for each in left:
            _fail(each, ServerStopping("The server is being stopped."))
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while batch := self._take():
            self._answer(batch)

    def _take(self) -> list[_QueuedImage]:
        """The next batch, as large as one detector pass at most; none when the queue is stopped."""
        with self._changed:
            self._computing = []
            while not self._stopping:
                now = self.clock()
                self._drop(now)
                batch = self._next_batch()
                if batch and (len(batch) == self.pipeline.batch_size or batch[0].due <= now):
                    self._waiting = [each for each in self._waiting if each not in batch]
                    self._computing = [each for each in batch if each.answer.set_running_or_notify_cancel()]
                    if self._computing:
                        self._count_pass(batch[0])
                        return self._computing
                    continue
                self._changed.wait(batch[0].due - now if batch else None)
            return []

    def _next_batch(self) -> list[_QueuedImage]:
        """Of those that ask the same as the first: the most urgent, or in its turn the one that was passed over longest."""
        first = self._waiting[0] if self._waiting else None
        if first is not None and self._passed_over >= FAIR_SHARE - 1:
            first = min((each for each in self._waiting if each.priority > first.priority), key=lambda one: one.number, default=first)
        if first is None:
            return []
        others = [each for each in self._waiting if each is not first and each.options.same(first.options)]
        return [first, *others][: self.pipeline.batch_size]

    def _count_pass(self, first: _QueuedImage) -> None:
        """How many passes in a row were for something more urgent than what waits."""
        waits = any(each.priority > first.priority for each in self._waiting)
        self._passed_over = self._passed_over + 1 if waits else 0

    def _drop(self, now: float) -> None:
        """Who waits no longer, or has waited too long, costs no pass."""
        for each in self._waiting:
            if each.deadline <= now:
                _fail(each, Busy("The pictures before yours take too long."))
        self._waiting = [each for each in self._waiting if not each.answer.done()]

    def _answer(self, batch: Sequence[_QueuedImage]) -> None:
        """All together; when that fails, each alone, so that one bad picture costs nobody else."""
        try:
            # In the context of who asked first, so that log lines name that request and its trace goes on.
            for each, found in zip(batch, batch[0].context.copy().run(self._compute, batch), strict=True):
                with suppress(InvalidStateError):  # stopped meanwhile
                    each.answer.set_result(found)
        except Exception as error:  # noqa: BLE001 - the thread must live on; whoever asked gets the error
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for each in batch:
                if not each.answer.done():
                    self._answer([each])

    def _compute(self, batch: Sequence[_QueuedImage]) -> list[list[Detection]]:
        asked, images = batch[0].options, [each.image for each in batch]
        found = self.pipeline.predict(
            images, asked.prompt, asked.bundle, asked.thresholds, labels=dict(asked.labels), student=asked.student
        )
        if asked.keeps:
            try:
                self.pipeline.precompute_embeddings(list(zip(images, found, strict=True)), chosen=asked.embedder)
            except Exception:  # it saves time later and decides nothing now
                log.exception("embeddings_not_kept")
        return found


def _fail(image: _QueuedImage, error: BaseException) -> None:
    with suppress(InvalidStateError):
        image.answer.set_exception(error)
