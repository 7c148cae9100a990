"""Backfill: unfinished tasks get predictions of the desired version; who lacks one, chunk after chunk, each compared right before it is
sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.errors import UNFORESEEN, presentable
from dinolabel.backend.inference.predictor import Failure, Prediction, PredictionJob, Predictor
from dinolabel.backend.inference.serving_config import ServingConfig
from dinolabel.backend.reconciler.uploader import REST, UploadBuffer, UploadPace, UploadPart
from dinolabel.backend.reconciler.work_queue import Attempt, RetryBackoff
from dinolabel.studio.calls.tasks import IDS, PAGE
from dinolabel.studio.errors import StudioDenied, StudioRefused, StudioUnreachable
from dinolabel.studio.regions.validation import validate_prediction
from dinolabel.vision.errors import DinolabelError, MediaLate, MediaRefused, MediaUnreadable, RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import Project

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, TaskRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Filled:
    """An event of a filling. done, total: unfinished tasks that have their prediction or were tried, and all. rate: tasks a second.

    stored: predictions that a push has just stored; None between pushes.
    """

    done: int
    total: int
    rate: float = 0.0
    stored: int | None = None


class ConfigChanged(Exception):
    """Label Studio has another label config than the one these predictions were made for: the visit begins anew, at once."""


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One listing of a project's tasks.

    rows: all of them. unfinished: those somebody still gets. lacking: of these, without the wanted version. due: of these, to be
    done now, in their order. awaited: lacking, and a switch waits for them. failed: lacking, and tried in vain.
    """

    rows: tuple[TaskRow, ...]
    unfinished: tuple[TaskRow, ...]
    missing: tuple[TaskRow, ...]
    due: tuple[TaskRow, ...]
    blocking: tuple[TaskRow, ...]
    failed: tuple[TaskRow, ...]

    @property
    def done(self) -> int:
        return len(self.unfinished) - len(self.missing)


class Backfill:
    """Fills one project for one wanted recipe.

    bridge: the recipe of the version on show when that is another one of ours; tasks without it get it too, so that whoever opens
    a task during a switch sees boxes.
    """

    def __init__(
        self,
        studio: LabelStudio,
        predictor: Predictor,
        attempts: RetryBackoff,
        *,
        desired: ServingConfig,
        bridge: ServingConfig | None = None,
        pace: UploadPace,
    ) -> None:
        self._studio, self._predictor, self._attempts = studio, predictor, attempts
        self.project, self.wanted, self.bridge = desired.project, desired, bridge
        self._pace, self._stopped, self._clock = pace, pace.stopped, time.monotonic
        self._listing_seconds = 0.0
        self._rows: dict[int, TaskRow] = {}  # as last listed, with what was stored since
        self._tally: CountCheck | None = None
        self.suppressed = 0  # boxes not sent so far because people keep deleting their like

    def list_tasks(self) -> TaskSnapshot:
        """List who lacks the wanted version now."""
        self._tally = CountCheck(self._studio.projects.get(self.project), self._clock)
        begun = self._clock()
        self._rows = {each.id: each for page in self._pages() for each in page}
        self._listing_seconds = self._clock() - begun
        self._pace.people.note_rows(self.project, self._rows.values(), self._studio.tasks.drafts)
        return self._snapshot()

    def _pages(self) -> Iterator[list[TaskRow]]:
        """All tasks, as many at a time as Label Studio gives in one request."""
        rows = iter(self._studio.tasks.list(self.project))
        page = list(islice(rows, PAGE))
        while page:
            yield page
            with self._pace.turn():
                page = list(islice(rows, PAGE))

    def refresh(self) -> TaskSnapshot:
        """The same after filling: out of what was stored where nothing else has changed, else listed anew; also while a careful filling
        has not come to its end, for a listing costs as much as storing does."""
        now = self._snapshot()
        return now if self._unfinished(now) or self._unchanged() else self.list_tasks()

    def _unfinished(self, now: TaskSnapshot) -> bool:
        return bool(now.blocking) and self._pace.is_careful()

    def _snapshot(self) -> TaskSnapshot:
        rows = tuple(self._rows.values())
        unfinished = tuple(each for each in rows if not each.finished)
        lacking = tuple(each for each in unfinished if self.wanted.version not in each.versions)
        tried = {each.id: self._attempts.attempt(self.project, each.id, self.wanted.version) for each in lacking}
        return TaskSnapshot(
            rows,
            unfinished,
            lacking,
            due=tuple(sorted((each for each in lacking if tried[each.id].due), key=self._urgency)),
            blocking=tuple(each for each in lacking if self._is_blocking(each, tried[each.id])),
            failed=tuple(each for each in lacking if tried[each.id].tries),
        )

    def _unchanged(self) -> bool:
        if self._tally is None or not self._tally.is_fresh:
            return False
        now = self._studio.projects.get(self.project)
        self._pace.people.note_count(self.project, now.annotations)
        return self._tally.unchanged(now)

    def fill(self, census: TaskSnapshot, seconds: float) -> Iterator[Filled]:
        """Push predictions for who lacks one until all are done or the seconds over; yields after each task and after each push.

        Raises StudioUnreachable and StudioDenied; what is wrong with a single task is noted and the others go on.
        """
        rows, begun, now = census.due, self._clock(), Filled(census.done, len(census.unfinished))
        if self._pace.is_careful():
            seconds = max(seconds, REST * self._listing_seconds)  # the next visit lists all of them again
        end, handled = begun + seconds, 0
        sending = UploadBuffer(partial(self._push, len(census.rows), end), self._clock)
        # However slow a disk is, the first chunk is done: a visit that never got further than opening files would never end.
        job = PredictionJob(self.wanted, cancelled=lambda: self._stopped() or (handled > 0 and self._clock() > end))
        with sending:
            for row, made in zip(rows, self._predictor.predictions(job, rows), strict=False):
                handled += 1
                now = Filled(census.done + handled, len(census.unfinished), handled / max(self._clock() - begun, 1e-3))
                yield now
                if isinstance(made, Failure):
                    self._record_failure(made)
                    continue
                sending.add(row, made)
                if sending.is_due():
                    yield from (replace(now, stored=stored) for stored in sending.send())
            for stored in (*sending.send(), *sending.flush()):
                yield replace(now, stored=stored)

    def _push(self, tasks: int, end: float, rows: Sequence[TaskRow], ready: Sequence[Prediction]) -> int:
        """Send in as large parts as may be just now; what is left when a careful filling is at its end is made again out of the caches."""
        left, stored = [*self._missing_bridge(rows), *ready], 0
        by_id = {each.id: each for each in rows}
        while left:
            boxed = sum(bool(each.versions) or each.annotated or each.cancelled for each in self._rows.values())
            part = self._pace.part(len(left), boxed)
            chosen, left = left[: part.count], left[part.count :]
            stored += self._push_part([by_id[each] for each in dict.fromkeys(one.task for one in chosen)], chosen, tasks, part)
            if self._pace.is_careful() and (self._stopped() or self._clock() > end):
                break
        self.suppressed += sum(each.suppressed for each in ready if each.stored["model_version"] == self.wanted.version)
        log.info("pushed", project=self.project, version=self.wanted.version, stored=stored, suppressed=self.suppressed)
        return stored

    def _push_part(self, rows: Sequence[TaskRow], ready: Sequence[Prediction], tasks: int, part: UploadPart) -> int:
        """Send what is still lacking: somebody may have finished a task meanwhile, deleted it, or asked Label Studio to retrieve it."""
        now = self._current_rows(rows, tasks)
        send = [each for each in ready if each.task in now and _needs_prediction(now[each.task], each) and self._fits(each)]
        if part.singly:
            return self._store_singly(send, part)
        with self._pace.turn(part.seconds if send else None):
            return self._store(send)

    def _store_singly(self, send: Sequence[Prediction], part: UploadPart) -> int:
        """Label Studio judges these by nothing, so it is asked first whether its label config is still the one they were made for."""
        project = self._studio.projects.get(self.project)
        self._pace.people.note_count(self.project, project.annotations)
        if project.label_config != self.wanted.label_config:
            raise ConfigChanged
        stored: list[Prediction] = []
        for each in send:
            if self._stopped():
                break
            with self._pace.turn(part.seconds):
                try:
                    self._studio.predictions.create(each.stored)
                except StudioRefused as refusal:
                    if refusal.status not in (400, 404):
                        raise
                    self._note_refused(each.task, refusal)
                else:
                    stored.append(each)
        self._update_snapshot(stored, len(stored))
        return len(stored)

    def _note_refused(self, task: int, refusal: StudioRefused) -> None:
        """A task that was deleted meanwhile is nobody's failure."""
        if any(self._studio.tasks.list(self.project, only=[task])):
            self._record_failure(Failure(task, refusal))
        else:
            log.warning("tasks_gone", project=self.project, tasks=[task])

    def _store(self, send: Sequence[Prediction]) -> int:
        refused: tuple[int, ...] = ()
        try:
            stored = self._studio.predictions.import_many(self.project, [each.stored for each in send]) if send else 0
        except StudioRefused as refusal:
            refused = refusal.tasks
            if not refused:
                raise
            if self._studio.projects.get(self.project).label_config != self.wanted.label_config:
                raise ConfigChanged from refusal
            for task in refused:
                self._record_failure(Failure(task, refusal))
            stored = len(send) - len(refused)
        self._update_snapshot([each for each in send if each.task not in refused], stored)
        return stored

    def _current_rows(self, rows: Sequence[TaskRow], tasks: int) -> dict[int, TaskRow]:
        """What Label Studio holds of these tasks now, listed only if anything has changed. A row costs the same either way (measured:
        0.5 ms), and by ids a few hundred of them cost a request of their own."""
        if self._unchanged():
            return {each.id: self._rows[each.id] for each in rows}
        whole = len(rows) > IDS and 2 * len(rows) > tasks
        return {each.id: each for each in self._studio.tasks.list(self.project, only=None if whole else [row.id for row in rows])}

    def _update_snapshot(self, sent: Sequence[Prediction], stored: int) -> None:
        for each in sent:
            row = self._rows[each.task]
            self._rows[each.task] = replace(row, versions=row.versions | {each.stored["model_version"]})
        if self._tally is not None:
            self._tally.add_stored(stored)

    def _fits(self, made: Prediction) -> bool:
        """Label Studio drops what does not fit its label config without a word; its own SDK says so beforehand."""
        said = validate_prediction(self.wanted.label_config, made.stored)
        if said:
            self._record_failure(Failure(made.task, RequestError(f"Label Studio would not store it: {said[0]}")))
        return not said

    def _missing_bridge(self, rows: Sequence[TaskRow]) -> list[Prediction]:
        """The version on show for those that lack it: boxes come from the cache, where the wanted version has just put them."""
        if self.bridge is None:
            return []
        bare = [each for each in rows if self.bridge.version not in each.versions]
        made = self._predictor.predictions(PredictionJob(self.bridge, cancelled=self._stopped), bare)
        return [each for each in made if isinstance(each, Prediction)]

    def _record_failure(self, failure: Failure) -> None:
        if isinstance(failure.error, StudioUnreachable | StudioDenied):
            raise failure.error
        error = failure.error
        self._attempts.record_failure(
            self.project,
            failure.task,
            self.wanted.version,
            presentable(str(error)),
            final=isinstance(error, MediaUnreadable | MediaRefused | RequestError),
            kind=type(error).__name__,
            hint=presentable(error.hint) if isinstance(error, DinolabelError) else UNFORESEEN[1],
            passing=isinstance(error, MediaLate),
        )

    def _is_blocking(self, row: TaskRow, tried: Attempt) -> bool:
        """Whether a switch waits for it: not for what was tried in vain and has nothing on show to lose, nor for ever."""
        return not tried.tries or (self._has_serving(row) and not tried.exhausted)

    def _has_serving(self, row: TaskRow) -> bool:
        return self.bridge is not None and self.bridge.version in row.versions

    def _urgency(self, row: TaskRow) -> tuple[bool, bool, bool, int]:
        """Open tasks first, skipped ones last; of these, who has nothing on show first, then as people get them."""
        return (row.cancelled, row.annotated, self._has_serving(row), row.id)


def _needs_prediction(row: TaskRow, made: Prediction) -> bool:
    return not row.finished and made.stored["model_version"] not in row.versions


FRESH_SECONDS = 10.0
"""Older listings are made anew whatever the counts say: a deleted task and a new one would cancel each other out."""


@dataclass(frozen=True, slots=True)
class ProjectCounts:
    """Of a project, as Label Studio counts: tasks, submitted annotations, predictions of any version."""

    tasks: int
    annotations: int
    predictions: int

    @classmethod
    def of(cls, project: Project) -> ProjectCounts:
        return cls(project.tasks, project.annotations, project.predictions)


class CountCheck:
    """before: the project as it was read right before its tasks were listed, so that a change in between is a difference too."""

    def __init__(self, before: Project, clock: Callable[[], float] = time.monotonic) -> None:
        self._expected, self._clock, self._at = ProjectCounts.of(before), clock, clock()

    def add_stored(self, count: int) -> None:
        """Our own predictions since then."""
        self._expected = replace(self._expected, predictions=self._expected.predictions + count)

    @property
    def is_fresh(self) -> bool:
        return self._clock() - self._at < FRESH_SECONDS

    def unchanged(self, now: Project) -> bool:
        """Nobody but us has added, submitted or taken away anything since."""
        return self.is_fresh and ProjectCounts.of(now) == self._expected
