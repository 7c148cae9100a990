"""Status of each project, what it is doing, for the page, the metrics and `doctor`: written by reconcile, read by everybody, kept in
memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from dinolabel.backend.jobs.reviewed_answers import Summary
from dinolabel.backend.timestamps import parse_timestamp

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRegistry
    from dinolabel.studio.client import TaskRow
    from dinolabel.vision.bundles.registry import BundleStore

ProjectPhase = Literal["pending", "backfilling", "synced", "standby", "paused", "not_found", "rejected", "failed", "unreachable"]
FAILING: frozenset[ProjectPhase] = frozenset({"unreachable", "rejected", "failed", "not_found"})


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """One project, now.

    state: pending: not looked at yet, or held up for a moment. standby: another backend holds the lease. not_found: no such project.
    rejected: Label Studio does not take our token, or what was sent.
    note: what a person should know, "" when all is well.
    hint: what to do about it. shown: the model_version Label Studio shows; wanted: the one it should.
    done, total: unfinished tasks that have the wanted version's prediction, and all unfinished tasks. failed: tasks that cannot be done.
    rate: predictions a second in this filling. approvals: approved names newer than the last training, None when not counted yet.
    suppressed: boxes that this server did not send because people keep deleting their like. answers: what people answered, None when
    nothing was counted yet. newest_approval: ISO time of it, by Label Studio's clock. disputed_tab: the address of the tab that holds what
    people disagree about. at, good_at: seconds since the epoch of the last change, and of the last one that was no failure.
    """

    project: int
    title: str = ""
    state: ProjectPhase = "pending"
    note: str = ""
    hint: str = ""
    shown: str | None = None
    wanted: str | None = None
    bundle: str | None = None
    done: int = 0
    total: int = 0
    failed: int = 0
    rate: float = 0.0
    approvals: int | None = None
    suppressed: int = 0
    answers: Summary | None = None
    newest_approval: str | None = None
    disputed_tab: str | None = None
    at: float = 0.0
    good_at: float = 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Until the rest is filled, at the rate so far."""
        left = self.total - self.done - self.failed
        return left / self.rate if self.rate > 0 and left > 0 else None


class StatusBoard:
    """Statuses by project; reading one never waits for work."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: dict[int, ProjectStatus] = {}

    def set(self, project: int, **fields: Any) -> ProjectStatus:
        """Change some fields of a project's status."""
        with self._lock:
            now, status = self._clock(), replace(self._statuses.get(project, ProjectStatus(project)), **fields)
            status = replace(status, at=now, good_at=status.good_at if status.state in FAILING else now)
            self._statuses[project] = status
            return status

    def add_suppressed(self, project: int, boxes: int) -> None:
        """Count boxes that were not sent."""
        if boxes:
            self.set(project, suppressed=self.get(project).suppressed + boxes)

    def get(self, project: int) -> ProjectStatus:
        with self._lock:
            return self._statuses.get(project, ProjectStatus(project))

    def all(self) -> list[ProjectStatus]:
        with self._lock:
            return [self._statuses[each] for each in sorted(self._statuses)]

    def remove(self, project: int) -> None:
        with self._lock:
            self._statuses.pop(project, None)


IDLE_SECONDS = 300.0
"""So long after the last submit or draft nobody is at work any more."""
MOST_DRAFTS = 10
"""Drafts whose time is asked when a project is seen for the first time, the newest tasks first."""


class PeopleAtWork:
    """When somebody last submitted, skipped or began something in a project, as far as is known. Safe between threads.

    now: seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now, self._lock = now, threading.Lock()
        self._last: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._drafted: dict[int, frozenset[int]] = {}

    def note(self, project: int, at: float | None = None) -> None:
        """Somebody did something, now or at that time."""
        with self._lock:
            self._last[project] = max(self._last.get(project, 0.0), self._now() if at is None else at)

    def note_count(self, project: int, annotations: int) -> None:
        """annotations: of the project as it was read just now; another number than the last time is somebody's work."""
        with self._lock:
            before, self._counts[project] = self._counts.get(project, annotations), annotations
        if before != annotations:
            self.note(project)

    def note_rows(self, project: int, rows: Iterable[TaskRow], drafts: Callable[[int], Iterable[Mapping[str, Any]]]) -> None:
        """rows: the project's tasks as they were listed just now. drafts: gives what was begun of a task, by its id.

        A task that somebody answered says when; one that is begun does not, so that is asked where the project is seen for the first time.
        """
        touched = sorted((each for each in rows if each.annotated or each.cancelled or each.drafted), key=lambda each: each.updated_at)
        if touched and touched[-1].updated_at:
            self.note(project, parse_timestamp(touched[-1].updated_at).timestamp())
        begun = [each.id for each in reversed(touched) if each.drafted]
        with self._lock:
            before, self._drafted[project] = self._drafted.get(project), frozenset(begun)
        if before is not None and not before.issuperset(begun):
            self.note(project)
        elif before is None and not self.are_at_work(project):
            for each in (one for task in begun[:MOST_DRAFTS] for one in drafts(task)):
                self.note(project, parse_timestamp(str(each["updated_at"])).timestamp())

    def are_at_work(self, project: int) -> bool:
        """Whether something was done in the last IDLE_SECONDS. A clock of Label Studio's that is ahead counts as now."""
        with self._lock:
            return self._now() - self._last.get(project, 0.0) < IDLE_SECONDS


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Where what is known of projects is kept: heads and registry on the disk; the board, and who is at work, in memory."""

    store: BundleStore
    projects: ProjectRegistry
    board: StatusBoard = field(default_factory=StatusBoard)
    people: PeopleAtWork = field(default_factory=PeopleAtWork)
