"""Garbage collector of predictions: of our versions, all but the one on show, the one before it, and those work came from.

A pinned version is the one on show.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from dinolabel.backend.project_registry import ProjectRecord, ProjectRegistry
from dinolabel.backend.project_status import PeopleAtWork
from dinolabel.backend.timestamps import parse_timestamp
from dinolabel.studio.errors import StudioRefused

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, TaskRow

log = structlog.get_logger(__name__)

KEPT = 2
SECONDS, AGAIN_SECONDS = 3.0, 30.0
"""Of one visit, for deleting one by one while somebody is at work, and until the next: Label Studio needs a tenth of a second for each."""
IDLE_SECONDS, IDLE_AGAIN_SECONDS = 20.0, 1.0
"""The same while nobody is."""
WHOLE, IDLE_WHOLE = 50, 500
"""Predictions of a version that go in one request: it is one transaction of 10 to 20 ms for each, and no save gets in before its end. While
nobody is at work more may, for somebody may begin just then."""


class PredictionGarbageCollector:
    """grace_seconds: after a switch, for people who have a task of the old version open. now, clock: the date, and seconds that pass."""

    def __init__(
        self,
        studio: LabelStudio,
        projects: ProjectRegistry,
        grace_seconds: float,
        people: PeopleAtWork,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._studio, self._projects, self._grace, self._people = studio, projects, grace_seconds, people
        self._now, self._clock = now, clock
        self._settled: dict[int, tuple[TaskRow, frozenset[str]]] = {}  # task -> as it was, and the versions in use there

    def run(self, project: int, rows: Iterable[TaskRow]) -> float | None:
        """Delete what is old enough; the seconds until there is more to do, or None. Call when the switch is complete.

        rows: the project's tasks. A version that no annotation can have come from goes at once; of the others each prediction stays
        that an annotation came from, for with it Label Studio forgets which boxes were rejected, where the detector had put them, and
        that a button made the annotation. So at most one prediction stays for each annotation, and two versions for each task.
        Large versions go one by one too.
        """
        entry = self._projects.get(project)
        old = frozenset(() if entry is None else entry.versions[:-KEPT])
        holders = [each for each in rows if each.versions & old]
        todo = [each for each in holders if self._has_draft(each, old)]
        gone = old - {version for each in holders for version in each.versions}
        if entry is None or not (todo or gone):
            return None
        age = (self._now() - parse_timestamp(entry.switched_at)).total_seconds()
        if age < self._grace:
            return self._grace - age
        held = {version for each in holders if each.annotated or each.cancelled or each.drafted for version in each.versions}
        large = self._large(entry, holders, old - held)
        self._delete_versions(entry, old - held - large)
        single = held | large
        return self._delete_one_by_one(entry.project, [each for each in todo if each.versions & old & single], old & single)

    def _large(self, entry: ProjectRecord, holders: Sequence[TaskRow], versions: Collection[str]) -> frozenset[str]:
        """Versions of more predictions than one request may delete just now."""
        counts = Counter(version for each in holders for version in each.versions)
        most = WHOLE if self._people.are_at_work(entry.project) else IDLE_WHOLE
        return frozenset(each for each in versions if counts[each] > most)

    def _has_draft(self, row: TaskRow, old: frozenset[str]) -> bool:
        """Whether it was not looked at yet as it is now. What somebody has begun is left: their submit may name what it began from."""
        before, used = self._settled.get(row.id, (None, frozenset()))
        looked_at = before is not None and before.updated_at == row.updated_at and (row.versions & old) <= used
        return not row.drafted and not looked_at

    def _delete_versions(self, entry: ProjectRecord, versions: Collection[str]) -> None:
        """Versions no annotation can have come from, whole."""
        stored = self._studio.projects.model_versions(entry.project) if versions else {}
        for version in versions:
            if version in stored:
                self._studio.projects.delete_version(entry.project, version)
                log.info("swept", project=entry.project, version=version)
        self._projects.update(entry.project, versions=tuple(each for each in entry.versions if each not in versions))

    def _delete_one_by_one(self, project: int, rows: Sequence[TaskRow], old: frozenset[str]) -> float | None:
        begun, deleted = self._clock(), 0
        for done, row in enumerate(rows):
            careful = self._people.are_at_work(project)
            if done and self._clock() - begun > (SECONDS if careful else IDLE_SECONDS):
                log.info("swept_some", predictions=deleted, tasks_left=len(rows) - done)
                return AGAIN_SECONDS if careful else IDLE_AGAIN_SECONDS
            try:
                deleted += self._delete_unreferenced(row, old)
            except StudioRefused as error:
                if error.status != 404:  # else deleted meanwhile, by whoever may
                    raise
        if deleted:
            log.info("swept_some", predictions=deleted, tasks_left=0)
        return None

    def _delete_unreferenced(self, row: TaskRow, old: frozenset[str]) -> int:
        """Delete the task's predictions of old versions that nothing came from; how many that were."""
        task = self._studio.tasks.get(row.id)
        stored = [each for each in task.get("predictions") or () if each.get("model_version") in old]
        used = {number for each in task.get("annotations") or () for number in _origins(each)}
        free = [each for each in stored if each["id"] not in used]
        for each in free:
            self._studio.predictions.delete(each["id"])
        left = frozenset(str(each["model_version"]) for each in stored if each not in free)
        self._settled[row.id] = (row, left)
        return len(free)


def _origins(annotation: Mapping[str, Any]) -> tuple[Any, Any]:
    """Ids of the prediction it began from, and of the one that was on show."""
    shown = annotation.get("prediction")
    return annotation.get("parent_prediction"), shown.get("id") if isinstance(shown, Mapping) else None
