"""When to train without being asked: enough approved names are newer than the last training, and nobody is adding more just now.

Knows what people approved; what is made of it is the training command's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from backend.moments import moment
from studio.label_config import LabelConfig
from studio.tasks import Judged, judge

if TYPE_CHECKING:
    from backend.jobs import Jobs
    from studio.client import Studio, TaskRow
    from vision.store import Store

log = structlog.get_logger(__name__)

QUIET_SECONDS = 10.0
"""A person who goes on naming should not be interrupted by a head that lacks the box after next."""


@dataclass(frozen=True, slots=True)
class Look:
    """approvals: approved names newer than the last training. again_in: seconds until a look may find more, None when only events can."""

    approvals: int | None = None
    job: str | None = None
    again_in: float | None = None


@dataclass(slots=True)
class _Counted:
    """What was read of one project: the label config it was read with, and per task when it changed and when its names were approved."""

    label_config: LabelConfig
    changed: dict[int, datetime] = field(default_factory=dict)
    approved: dict[int, tuple[datetime, ...]] = field(default_factory=dict)


class Trigger:
    """train_after: approvals that make a training worth while; 0 switches this off."""

    def __init__(
        self,
        studio: Studio,
        store: Store,
        jobs: Jobs,
        *,
        train_after: int,
        quiet_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._studio, self._store, self._jobs = studio, store, jobs
        self._after, self._quiet, self._clock = train_after, quiet_seconds, clock
        self._counted: dict[int, _Counted] = {}

    def look(self, project: int, config: LabelConfig, rows: Sequence[TaskRow]) -> Look:
        """Count, and enqueue a training when it is due. rows: the project's listing; only what changed since is read."""
        if not self._after or not config.learnt:
            return Look()
        since = self._trained_until(project)
        newer = sorted(at for at in self._approvals(project, config, rows, since) if at > since)
        if len(newer) < self._after or self._jobs.active(project) is not None:
            return Look(len(newer))
        calm = self._quiet - (self._clock() - newer[-1].timestamp())
        if 0 < calm <= self._quiet and len(newer) < 2 * self._after:
            return Look(len(newer), again_in=calm)
        job = self._jobs.train(project, why=f"{len(newer)} new approved names", until=newer[-1].isoformat())
        return Look(len(newer), job=job)

    def _trained_until(self, project: int) -> datetime:
        """Newest approval that a training has seen, whether or not its head was published."""
        newest = self._store.newest(str(project))
        published = self._store.get(str(project), newest).trained_until if newest else ""
        return max(moment(published), moment(self._jobs.seen_until(project)))

    def _approvals(self, project: int, config: LabelConfig, rows: Sequence[TaskRow], since: datetime) -> list[datetime]:
        known = self._counted.get(project)
        if known is None or known.label_config != config:
            known = self._counted[project] = _Counted(config)
        annotated = {each.id: moment(each.updated_at) for each in rows if each.annotated}
        for gone in known.changed.keys() - annotated.keys():
            del known.changed[gone]
            known.approved.pop(gone, None)
        stale = [task for task, at in annotated.items() if at > since and known.changed.get(task) != at]
        known.approved.update(dict.fromkeys(stale, ()))
        for task in self._studio.export(project, tasks=stale) if stale else ():
            known.approved[task["id"]] = tuple(moment(each.at) for each in judge(task, config) if approved_name(each))
        known.changed.update({task: annotated[task] for task in stale})
        return [at for approved in known.approved.values() for at in approved]


def approved_name(judged: Judged) -> bool:
    return judged.verdict == "approved" and judged.kind == "named"
