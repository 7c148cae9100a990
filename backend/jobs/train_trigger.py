"""Trigger of trainings that nobody asked for: enough approved names are newer than the last training, and nobody is adding more just
now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.jobs.reviewed_answers import Answers
from dinolabel.backend.timestamps import parse_timestamp
from dinolabel.studio.label_configs.label_config import LabelConfig

if TYPE_CHECKING:
    from dinolabel.backend.jobs.runner import JobRunner
    from dinolabel.studio.client import LabelStudio, TaskRow
    from dinolabel.vision.bundles.registry import BundleStore

log = structlog.get_logger(__name__)

QUIET_SECONDS = 10.0
"""A person who goes on naming should not be interrupted by a head that lacks the box after next."""


@dataclass(frozen=True, slots=True)
class TrainCheck:
    """approvals: approved names newer than the last training. again_in: seconds until a look may find more, None when only events can.

    newest: ISO time of the newest approval of all.
    """

    approvals: int | None = None
    job: str | None = None
    requeue_after: float | None = None
    newest: str | None = None


class TrainTrigger:
    """train_after: approvals that make a training worth while; 0 switches this off."""

    def __init__(
        self,
        studio: LabelStudio,
        store: BundleStore,
        jobs: JobRunner,
        *,
        train_after: int,
        quiet_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._jobs, self.answers = store, jobs, Answers(studio)
        self._after, self._quiet, self._clock = train_after, quiet_seconds, clock

    def check(self, project: int, config: LabelConfig, rows: Sequence[TaskRow]) -> TrainCheck:
        """Count, and enqueue a training when it is due. rows: the project's listing; only what changed since is read."""
        if not self._after or not config.learnt:
            return TrainCheck()
        since = self._trained_until(project)
        all_of_them = sorted(self.answers.approvals(project, config, rows, since))
        newer = [at for at in all_of_them if at > since]
        found = TrainCheck(len(newer), newest=max(all_of_them[-1], since).isoformat() if all_of_them else None)
        if len(newer) < self._after or self._jobs.active(project) is not None:
            return found
        calm = self._quiet - (self._clock() - newer[-1].timestamp())
        if 0 < calm <= self._quiet and len(newer) < 2 * self._after:
            return replace(found, requeue_after=calm)
        job = self._jobs.train(project, why=f"{len(newer)} new approved names", until=newer[-1].isoformat())
        return replace(found, job=job)

    def _trained_until(self, project: int) -> datetime:
        """Newest approval that a training has seen, whether or not its head was published."""
        newest = self._store.newest(str(project))
        published = self._store.get(str(project), newest).trained_until if newest else ""
        return max(parse_timestamp(published), parse_timestamp(self._jobs.seen_until(project)))
