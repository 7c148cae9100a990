"""Unfinished tasks get predictions of the wanted version: who lacks one, chunk after chunk, each compared right before it is sent.

Knows nothing of what is on show or why the version is wanted: that is the switch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import structlog

from backend.attempts import Attempt, Attempts
from backend.errors import presentable
from backend.predict import Errand, Failure, Prediction, Predictor
from backend.recipe import Recipe
from studio.calls.tasks import IDS
from studio.errors import StudioDenied, StudioRefused, StudioUnreachable
from studio.validate import faults
from vision.errors import MediaRefused, MediaUnreadable, RequestError

if TYPE_CHECKING:
    from studio.client import Studio, TaskRow

log = structlog.get_logger(__name__)

MOST = 1000
"""Predictions per import: Label Studio takes about a second per request, whatever it holds (measured, studio.calls.predictions)."""
SECONDS_BETWEEN = 2.0
"""Boxes should come in while people watch, so what is ready leaves at least this often."""
LISTED_WHOLE = 2000
"""Tasks up to which asking for all of a project is quicker than for a few hundred by their ids (measured: 0.5 s against 1 s)."""


class ConfigChanged(Exception):
    """Label Studio has another label config than the one these predictions were made for: the visit begins anew, at once."""


@dataclass(frozen=True, slots=True)
class Census:
    """One listing of a project's tasks.

    rows: all of them. unfinished: those somebody still gets. lacking: of these, without the wanted version. due: of these, to be
    done now, in their order. awaited: lacking, and a switch waits for them. failed: lacking, and tried in vain.
    """

    rows: tuple[TaskRow, ...]
    unfinished: tuple[TaskRow, ...]
    lacking: tuple[TaskRow, ...]
    due: tuple[TaskRow, ...]
    awaited: tuple[TaskRow, ...]
    failed: tuple[TaskRow, ...]

    @property
    def done(self) -> int:
        return len(self.unfinished) - len(self.lacking)


class Filling:
    """Fills one project for one wanted recipe.

    bridge: the recipe of the version on show when that is another one of ours; tasks without it get it too, so that whoever opens
    a task during a switch sees boxes.
    """

    def __init__(
        self,
        studio: Studio,
        predictor: Predictor,
        attempts: Attempts,
        *,
        wanted: Recipe,
        bridge: Recipe | None = None,
        stopped: Callable[[], bool] = lambda: False,
        told: Callable[[int, int, float], object] = lambda done, total, rate: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._studio, self._predictor, self._attempts = studio, predictor, attempts
        self.project, self.wanted, self.bridge = wanted.project, wanted, bridge
        self._stopped, self._told, self._clock = stopped, told, clock
        self.suppressed = 0  # boxes not sent so far because people keep deleting their like

    def census(self) -> Census:
        """List who lacks the wanted version now."""
        rows = tuple(self._studio.tasks(self.project))
        unfinished = tuple(each for each in rows if not each.finished)
        lacking = tuple(each for each in unfinished if self.wanted.version not in each.versions)
        tried = {each.id: self._attempts.of(self.project, each.id, self.wanted.version) for each in lacking}
        return Census(
            rows,
            unfinished,
            lacking,
            due=tuple(sorted((each for each in lacking if tried[each.id].due), key=self._urgency)),
            awaited=tuple(each for each in lacking if self._awaited(each, tried[each.id])),
            failed=tuple(each for each in lacking if tried[each.id].tries),
        )

    def fill(self, census: Census, seconds: float) -> Iterator[int]:
        """Push predictions for who lacks one until all are done or the seconds over; yields after each push how many were stored.

        Raises StudioUnreachable and StudioDenied; what is wrong with a single task is noted and the others go on.
        """
        rows, begun = census.due, self._clock()
        end, handled = begun + seconds, 0
        sending = _Sending(partial(self._push, len(census.rows)), self._clock)
        # However slow a disk is, the first chunk is done: a visit that never got further than opening files would never end.
        errand = Errand(self.wanted, stopped=lambda: self._stopped() or (handled > 0 and self._clock() > end))
        with sending:
            for row, made in zip(rows, self._predictor.predictions(errand, rows), strict=False):
                handled += 1
                self._told(census.done + handled, len(census.unfinished), handled / max(self._clock() - begun, 1e-3))
                if isinstance(made, Failure):
                    self._note(made)
                    continue
                sending.add(row, made)
                if sending.due():
                    yield from sending.send()
            yield from sending.send()
            yield from sending.rest()

    def _push(self, tasks: int, rows: Sequence[TaskRow], ready: Sequence[Prediction]) -> int:
        """Send what is still lacking: somebody may have finished a task meanwhile, deleted it, or asked Label Studio to retrieve it."""
        ready = [*self._bridged(rows), *ready]
        whole = len(rows) > IDS and tasks <= LISTED_WHOLE
        now = {each.id: each for each in self._studio.tasks(self.project, only=None if whole else [row.id for row in rows])}
        send = [each.stored for each in ready if each.task in now and _wants(now[each.task], each) and self._fits(each)]
        try:
            stored = self._studio.import_predictions(self.project, send) if send else 0
        except StudioRefused as refusal:
            if not refusal.tasks:
                raise
            if self._studio.project(self.project).label_config != self.wanted.label_config:
                raise ConfigChanged from refusal
            for task in refusal.tasks:
                self._note(Failure(task, refusal))
            stored = len(send) - len(refusal.tasks)
        self.suppressed += sum(each.suppressed for each in ready if each.stored["model_version"] == self.wanted.version)
        log.info("pushed", project=self.project, version=self.wanted.version, stored=stored, suppressed=self.suppressed)
        return stored

    def _fits(self, made: Prediction) -> bool:
        """Label Studio drops what does not fit its label config without a word; its own SDK says so beforehand."""
        said = faults(self.wanted.label_config, made.stored)
        if said:
            self._note(Failure(made.task, RequestError(f"Label Studio would not store it: {said[0]}")))
        return not said

    def _bridged(self, rows: Sequence[TaskRow]) -> list[Prediction]:
        """The version on show for those that lack it: boxes come from the cache, where the wanted version has just put them."""
        if self.bridge is None:
            return []
        bare = [each for each in rows if self.bridge.version not in each.versions]
        made = self._predictor.predictions(Errand(self.bridge, stopped=self._stopped), bare)
        return [each for each in made if isinstance(each, Prediction)]

    def _note(self, failure: Failure) -> None:
        if isinstance(failure.error, StudioUnreachable | StudioDenied):
            raise failure.error
        final = isinstance(failure.error, MediaUnreadable | MediaRefused | RequestError)
        self._attempts.failed(self.project, failure.task, self.wanted.version, presentable(str(failure.error)), final=final)

    def _awaited(self, row: TaskRow, tried: Attempt) -> bool:
        """Whether a switch waits for it: not for what was tried in vain and has nothing on show to lose, nor for ever."""
        return not tried.tries or (self._shows(row) and not tried.hopeless)

    def _shows(self, row: TaskRow) -> bool:
        return self.bridge is not None and self.bridge.version in row.versions

    def _urgency(self, row: TaskRow) -> tuple[bool, bool, bool, int]:
        """Open tasks first, skipped ones last; of these, who has nothing on show first, then as people get them."""
        return (row.cancelled, row.annotated, self._shows(row), row.id)


class _Sending:
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

    def due(self) -> bool:
        """Enough, or long enough; while a push is under way only enough counts."""
        waiting = self._flying is not None and not self._flying.done()
        return len(self._ready) >= MOST or (not waiting and self._clock() - self._sent_at >= SECONDS_BETWEEN)

    def send(self) -> Iterator[int]:
        """Begin to send what is ready; yields what the push before it stored. Raises what that one raised."""
        yield from self.rest()
        if self._ready:
            self._flying = self._thread.submit(self._push, self._rows, self._ready)
            self._rows, self._ready, self._sent_at = [], [], self._clock()

    def rest(self) -> Iterator[int]:
        """Wait for the push that is under way."""
        flying, self._flying = self._flying, None
        if flying is not None:
            yield flying.result()


def _wants(row: TaskRow, made: Prediction) -> bool:
    return not row.finished and made.stored["model_version"] not in row.versions
