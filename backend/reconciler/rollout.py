"""Rollout of a version (the switch), step by step as docs/design.md numbers them: everything is filled before anything is shown.

Every step can be the last before a crash:
started again from the top, it does what is left.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.payloads import TITLE
from dinolabel.backend.project_registry import ProjectRecord, ProjectRegistry
from dinolabel.backend.reconciler.backfill import Backfill, Filled, TaskSnapshot

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.vision.bundles.registry import BundleStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How far it came. census: the last listing. pushed: predictions stored. complete: nobody lacks the wanted version.

    shown: `project.model_version` as it is now.
    """

    census: TaskSnapshot
    pushed: int
    complete: bool
    shown: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """An event: a step of the switch is done: wanted, noted, pushed, filled, shown, current. Every one can be the last before a crash."""

    name: str


@dataclass(frozen=True, slots=True)
class NowShown:
    """An event: Label Studio shows another version."""

    version: str


RolloutEvent = Filled | StepDone | NowShown


class Rollout:
    """Moves projects to another version."""

    def __init__(self, studio: LabelStudio, store: BundleStore, projects: ProjectRegistry) -> None:
        self._studio, self._store, self._projects = studio, store, projects

    def run(self, filling: Backfill, shown: str, seconds: float) -> Generator[RolloutEvent, None, RolloutResult]:
        """Move a project to the filling's wanted version, as far as the seconds go. The caller holds the project's writer lock.

        shown: `project.model_version` as it was read just now.
        """
        wanted, project = filling.wanted, filling.project
        yield StepDone("wanted")  # 1. The gate said yes, the bundle is stored and wanted.

        # While nothing of ours is on show there is nothing to lose: the first boxes are shown, and more come in as people watch.
        early = not self._entry(project).owns(shown)
        self._projects.note_version(project, wanted.version)
        yield StepDone("noted")

        pushed, census = 0, filling.list_tasks()
        for event in filling.fill(census, seconds):  # 2. Everybody gets the new version; who arrives meanwhile, both.
            yield event
            if event.stored is None:
                continue
            pushed += event.stored
            yield StepDone("pushed")
            if early and pushed:
                shown, early = self._show(project, wanted.version), False
                yield NowShown(shown)
        if census.due:
            census = filling.refresh()  # 3. Who lacks it now? Again until nobody does.
        if census.blocking:
            return RolloutResult(census, pushed, complete=False, shown=shown)
        yield StepDone("filled")

        if shown != wanted.version and self._anything_to_show(census, project, wanted.version):
            shown = self._show(project, wanted.version)  # 4. One PATCH.
            yield NowShown(shown)
        yield StepDone("shown")

        self._store.students.follow(str(project), wanted.student_id)
        self._set_current(project, wanted.bundle_id)  # 5. `current`, and `/setup` with it.
        yield StepDone("current")
        return RolloutResult(census, pushed, complete=True, shown=shown)

    def _show(self, project: int, version: str) -> str:
        """PATCH project.model_version, unless it belongs to somebody else; what is on show then."""
        before = self._studio.projects.get(project).model_version or ""
        entry = self._entry(project)
        if before == version or not may_replace(entry, before):
            return before
        ordered = entry.with_version(before).with_version(version) if entry.owns(before) else entry.with_version(version)
        self._projects.update(project, versions=ordered.versions, switched_at=datetime.now(UTC).isoformat())
        self._studio.projects.set_model_version(project, version)
        log.info("switched", project=project, before=before, after=version)
        return version

    def _set_current(self, project: int, bundle_id: str | None) -> None:
        if self._store.current(str(project)) != bundle_id:
            self._store.set_current(str(project), bundle_id)

    def _anything_to_show(self, census: TaskSnapshot, project: int, version: str) -> bool:
        """Label Studio refuses to show a version that has no prediction."""
        if any(version in each.versions for each in census.unfinished):
            return True
        return bool(self._studio.projects.model_versions(project).get(version))

    def _entry(self, project: int) -> ProjectRecord:
        entry = self._projects.get(project)
        if entry is None:
            raise KeyError(project)
        return entry


def may_replace(entry: ProjectRecord, shown: str) -> bool:
    """What Label Studio shows is nothing, our backend, or one of our versions; anything else belongs to somebody else."""
    return not shown or shown == TITLE or entry.owns(shown)
