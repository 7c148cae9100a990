"""Unfinished tasks get predictions of the wanted version: who lacks one, chunk after chunk, each compared right before it is sent.

Knows nothing of what is on show or why the version is wanted: that is the switch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from backend.attempts import Attempts
from backend.errors import presentable
from backend.predict import Errand, Failure, Prediction, Predictor
from backend.recipe import Recipe
from studio.errors import StudioDenied, StudioRefused, StudioUnreachable

if TYPE_CHECKING:
    from studio.client import Studio, TaskRow

log = structlog.get_logger(__name__)

MOST = 64
"""Predictions per import: one request of a few hundred KB."""
SECONDS_BETWEEN = 2.0
"""Boxes should come in while people watch, so what is ready leaves at least this often."""


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
            awaited=tuple(each for each in lacking if not tried[each.id].hopeless),
            failed=tuple(each for each in lacking if tried[each.id].tries),
        )

    def fill(self, census: Census, seconds: float) -> Iterator[int]:
        """Push predictions for who lacks one until all are done or the seconds over; yields after each push how many were stored.

        Raises StudioUnreachable and StudioDenied; what is wrong with a single task is noted and the others go on.
        """
        rows, begun = census.due, self._clock()
        end, handled = begun + seconds, 0
        pending: list[TaskRow] = []
        ready: list[Prediction] = []
        sent_at = begun
        # However slow a disk is, the first chunk is done: a visit that never got further than opening files would never end.
        errand = Errand(self.wanted, stopped=lambda: self._stopped() or (handled > 0 and self._clock() > end))
        for row, made in zip(rows, self._predictor.predictions(errand, rows), strict=False):
            handled += 1
            self._told(census.done + handled, len(census.unfinished), handled / max(self._clock() - begun, 1e-3))
            if isinstance(made, Failure):
                self._note(made)
                continue
            pending.append(row)
            ready.append(made)
            if len(ready) >= MOST or self._clock() - sent_at >= SECONDS_BETWEEN:
                yield self._push(pending, ready)
                pending, ready, sent_at = [], [], self._clock()
        if ready:
            yield self._push(pending, ready)

    def _push(self, rows: Sequence[TaskRow], ready: Sequence[Prediction]) -> int:
        """Send what is still lacking: somebody may have finished a task meanwhile, deleted it, or asked Label Studio to retrieve it."""
        ready = [*self._bridged(rows), *ready]
        now = {each.id: each for each in self._studio.tasks(self.project, only=[row.id for row in rows])}
        send = [each.stored for each in ready if each.task in now and _wants(now[each.task], each)]
        try:
            stored = self._studio.import_predictions(self.project, send) if send else 0
        except StudioRefused as refusal:
            if not refusal.tasks:
                raise
            for task in refusal.tasks:
                self._note(Failure(task, refusal))
            stored = len(send) - len(refusal.tasks)
        self.suppressed += sum(each.suppressed for each in ready if each.stored["model_version"] == self.wanted.version)
        log.info("pushed", project=self.project, version=self.wanted.version, stored=stored, suppressed=self.suppressed)
        return stored

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
        self._attempts.failed(self.project, failure.task, self.wanted.version, presentable(str(failure.error)))

    def _urgency(self, row: TaskRow) -> tuple[bool, bool, int]:
        """Those with nothing on show first, skipped ones last, then in the order people get them."""
        return (row.cancelled, self.bridge is not None and self.bridge.version in row.versions, row.id)


def _wants(row: TaskRow, made: Prediction) -> bool:
    return not row.finished and made.stored["model_version"] not in row.versions
