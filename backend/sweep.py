"""Takes away predictions nobody needs any more: of our versions, all but the one on show and the one before it.

A pinned version is the one on show. Knows nothing of others' predictions, and touches none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from backend.moments import moment
from backend.projects import Projects
from studio.label_config import LabelConfig
from studio.tasks import judge

if TYPE_CHECKING:
    from studio.client import Studio

log = structlog.get_logger(__name__)

KEPT = 2


class Sweep:
    """grace_seconds: after a switch, for people who have a task of the old version open."""

    def __init__(
        self, studio: Studio, projects: Projects, grace_seconds: float, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._studio, self._projects, self._grace, self._now = studio, projects, grace_seconds, now

    def run(self, project: int, config: LabelConfig) -> float | None:
        """Delete what is old enough; the seconds until there is more to do, or None. Call when the switch is complete."""
        entry = self._projects.get(project)
        old = () if entry is None else entry.versions[:-KEPT]
        if entry is None or not old:
            return None
        age = (self._now() - moment(entry.switched_at)).total_seconds()
        if age < self._grace:
            return self._grace - age
        if self._made_by_button(project, config):
            # Label Studio forgets an annotation's parent with the prediction, and without it a button's work looks like a person's.
            return None
        stored = self._studio.model_versions(project)
        for version in old:
            if version in stored:
                self._studio.delete_version(project, version)
                log.info("swept", project=project, version=version)
        self._projects.update(project, versions=tuple(each for each in entry.versions if each not in old))
        return None

    def _made_by_button(self, project: int, config: LabelConfig) -> bool:
        return any(each.verdict == "unverified" for task in self._studio.export(project) for each in judge(task, config))
