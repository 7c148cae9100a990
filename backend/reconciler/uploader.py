"""Upload of predictions: in bunches, in a thread, while the next are being made; and never at the cost of people who are at work.

A bulk import counts anew every task of the project that has boxes already, whatever it holds (dinolabel.studio.calls.predictions), and no
save gets in meanwhile. So while somebody is at work predictions leave by imports that are short, else one by one, and Label Studio is left
alone nine times as long as each took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dinolabel.backend.inference.predictor import Prediction

if TYPE_CHECKING:
    from dinolabel.backend.project_status import PeopleAtWork
    from dinolabel.studio.client import TaskRow

MAX_BATCH = 1000
"""Predictions per import (dinolabel.studio.calls.predictions)."""
MIN_BATCH = 200
"""Predictions that are worth a request while none is under way: Label Studio works on them while the next are made."""
SECONDS_BETWEEN = 2.0
"""Boxes should come in while people watch, so what is ready leaves at least this often."""


HOLD_SECONDS = 1.0
"""The longest that a save may have to wait for a request of ours while somebody is at work."""
REST = 9.0
"""Times the length of a request, in which Label Studio is left alone while somebody is at work: so we have a tenth of it."""
LONGEST_REST = 60.0
REQUEST_SECONDS, BOXED_SECONDS, STORED_SECONDS = 0.1, 0.00085, 0.0018
"""Of a bulk import: each request, each task that has boxes already, each prediction. Measured; how much slower this machine is, is seen."""
SINGLE_SECONDS = 0.045
SINGLES = 10
"""Predictions that leave one by one before it is looked again who still lacks them."""
SLOWEST = 20.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class UploadPart:
    """What may leave next. count: predictions. singly: one by one. seconds: what that is thought to take."""

    count: int
    singly: bool
    seconds: float


class UploadPace:
    """How much may leave a project's filling at once, and how long Label Studio is left alone then.

    people: who knows whether somebody is at work. stopped: whether the server ends. clock: seconds that pass.
    """

    def __init__(
        self,
        people: PeopleAtWork,
        project: int,
        stopped: Callable[[], bool] = lambda: False,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.people, self.project, self.stopped, self._clock, self._sleep = people, project, stopped, clock, sleep
        self._slower = 1.0

    def is_careful(self) -> bool:
        """Whether somebody is at work."""
        return self.people.are_at_work(self.project)

    def part(self, left: int, boxed: int) -> UploadPart:
        """left: predictions that are ready, more than none. boxed: tasks that have a prediction or an annotation."""
        standing = (REQUEST_SECONDS + BOXED_SECONDS * boxed) * self._slower
        each, single = STORED_SECONDS * self._slower, SINGLE_SECONDS * self._slower
        if not self.is_careful():
            return UploadPart(left, singly=False, seconds=standing + left * each)
        count = min(left, int((HOLD_SECONDS - standing) / each))
        if count > 0 and standing + count * each < count * single / 2:  # else it is not worth the wait
            return UploadPart(count, singly=False, seconds=standing + count * each)
        return UploadPart(min(left, SINGLES), singly=True, seconds=single)

    @contextmanager
    def turn(self, expected: float | None = None) -> Iterator[None]:
        """Round a request: while somebody is at work it is followed by a rest. expected: seconds it was thought to take, to learn from."""
        begun = self._clock()
        yield
        took = self._clock() - begun
        if expected is not None:
            self._slower = min(SLOWEST, max(0.5, self._slower * took / expected))
        end = self._clock() + min(REST * took, LONGEST_REST)
        while self.is_careful() and not self.stopped() and (left := end - self._clock()) > 0:
            self._sleep(min(left, LOOK_SECONDS))


class UploadBuffer:
    """Sends what is ready in a thread, while the next is being made: Label Studio works on one core, the pipeline on the others.

    At most one push is under way. push: (rows, predictions) -> how many were stored.
    """

    def __init__(self, push: Callable[[Sequence[TaskRow], Sequence[Prediction]], int], clock: Callable[[], float]) -> None:
        self._push, self._clock = push, clock
        self._rows: list[TaskRow] = []
        self._ready: list[Prediction] = []
        self._sent_at = clock()
        self._flying: Future[int] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def add(self, row: TaskRow, made: Prediction) -> None:
        self._rows.append(row)
        self._ready.append(made)

    def is_due(self) -> bool:
        """Enough, or long enough; while a push is under way all that may go at once."""
        if self._flying is not None and not self._flying.done():
            return len(self._ready) >= MAX_BATCH
        return len(self._ready) >= MIN_BATCH or self._clock() - self._sent_at >= SECONDS_BETWEEN

    def send(self) -> Iterator[int]:
        """Begin to send what is ready; yields what the push before it stored. Raises what that one raised."""
        before = list(self.flush())
        if self._ready:
            self._flying = self._thread.submit(self._push, self._rows, self._ready)
            self._rows, self._ready, self._sent_at = [], [], self._clock()
        yield from before

    def flush(self) -> Iterator[int]:
        """Wait for the push that is under way."""
        flying, self._flying = self._flying, None
        if flying is not None:
            yield flying.result()
