"""Takes away predictions nobody needs any more: of our versions, all but the one on show, the one before it, and those work came from.

A pinned version is the one on show. Knows nothing of others' predictions, and touches none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from backend.moments import moment
from backend.projects import Projects

if TYPE_CHECKING:
    from studio.client import Studio, TaskRow

log = structlog.get_logger(__name__)

KEPT = 2


class Sweep:
    """grace_seconds: after a switch, for people who have a task of the old version open."""

    def __init__(
        self, studio: Studio, projects: Projects, grace_seconds: float, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._studio, self._projects, self._grace, self._now = studio, projects, grace_seconds, now

    def run(self, project: int, rows: Iterable[TaskRow]) -> float | None:
        """Delete what is old enough; the seconds until there is more to do, or None. Call when the switch is complete.

        rows: the project's tasks. A version that is stored on a finished task stays: an annotation came from it, and with the
        prediction Label Studio forgets which boxes were rejected, where the detector had put them, and that a button made it.
        """
        entry = self._projects.get(project)
        origins = {version for row in rows if row.annotated or row.cancelled for version in row.versions}
        old = () if entry is None else tuple(each for each in entry.versions[:-KEPT] if each not in origins)
        if entry is None or not old:
            return None
        age = (self._now() - moment(entry.switched_at)).total_seconds()
        if age < self._grace:
            return self._grace - age
        stored = self._studio.model_versions(project)
        for version in old:
            if version in stored:
                self._studio.delete_version(project, version)
                log.info("swept", project=project, version=version)
        self._projects.update(project, versions=tuple(each for each in entry.versions if each not in old))
        return None
