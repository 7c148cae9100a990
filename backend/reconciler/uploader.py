"""Upload buffer: predictions leave in bunches, in a thread, while the next are being made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from dinolabel.backend.inference.predictor import Prediction

if TYPE_CHECKING:
    from dinolabel.studio.client import TaskRow

MAX_BATCH = 1000
"""Predictions per import (dinolabel.studio.calls.predictions)."""
MIN_BATCH = 200
"""Predictions that are worth a request while none is under way: Label Studio works on them while the next are made."""
SECONDS_BETWEEN = 2.0
"""Boxes should come in while people watch, so what is ready leaves at least this often."""


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
