"""Status of each project, what it is doing, for the page, the metrics and `doctor`: written by reconcile, read by everybody, kept in
memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from dinolabel.backend.jobs.reviewed_answers import Summary

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRegistry
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


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Where what is known of projects is kept: heads and registry on the disk, the board in memory."""

    store: BundleStore
    projects: ProjectRegistry
    board: StatusBoard = field(default_factory=StatusBoard)
