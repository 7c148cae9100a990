"""Label Studio in memory, for what its client can be asked by the backend: the measured rules of docs/reference, and switches to break it.

Not a mock: it keeps projects, tasks, predictions and annotations, and refuses what Label Studio refuses.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dinolabel.studio.calls.leases import Lease
from dinolabel.studio.calls.users import StudioUser
from dinolabel.studio.client import Project, TaskRow
from dinolabel.studio.errors import StudioRefused, StudioUnreachable
from dinolabel.studio.label_configs.label_config import LabelConfig
from tests.doubles.studio_parts import StudioParts

CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
    '<Label value="thing" predicted_values="coloured thing"/><Label value="jason"/><Label value="lacy"/></RectangleLabels></View>'
)


@dataclass
class Stored:
    """A task with all that hangs on it."""

    id: int
    project: int
    data: dict[str, Any]
    updated_at: datetime
    overlap: int = 1
    predictions: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    drafted: bool = False


class ScriptedStudio(StudioParts):
    """down: nobody answers. before_import: called right before an import is looked at, to let the world change under the caller."""

    url = "http://studio.test"

    def __init__(self) -> None:
        self.down = False
        self.calls: list[str] = []
        self.before_import: list[Any] = []
        self.watchers: list[Any] = []
        self.held_leases: dict[int, dict[str, Lease]] = {}
        self.shown_tabs: dict[str, list[int]] = {}
        self._projects: dict[int, Project] = {}
        self._tasks: dict[int, Stored] = {}
        self._numbers = iter(range(1, 10**9))
        self._lock = threading.RLock()
        self.now = self.begun_at = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

    # What a test sets up and looks at.

    def add_project(self, label_config: str = CONFIG, *, title: str = "Party", model_version: str = "") -> int:
        number = next(self._numbers)
        self._projects[number] = Project(number, title, label_config, model_version, True, self.now.isoformat(), "", 0)
        return number

    def add_tasks(self, project: int, urls: Sequence[str]) -> list[int]:
        numbers = [next(self._numbers) for _ in urls]
        for number, url in zip(numbers, urls, strict=True):
            self._tasks[number] = Stored(number, project, {"image": url}, self.now)
        return numbers

    def ask_for(self, task: int, people: int) -> None:
        """That many are to submit it."""
        self._tasks[task].overlap = people

    def begin(self, task: int) -> None:
        """Somebody begins it and leaves a draft."""
        self._tasks[task].drafted = True

    def remove_task(self, task: int) -> None:
        del self._tasks[task]

    def remove_project(self, project: int) -> None:
        del self._projects[project]

    def annotate(
        self,
        task: int,
        labels: Sequence[str],
        *,
        cancelled: bool = False,
        by_button: bool = False,
        began_from: str | None = None,
        at: datetime | None = None,
        who: int = 1,
    ) -> None:
        """A person submits boxes with these labels (or skips, or presses *Create annotations from predictions*).

        began_from: the version whose boxes were on show."""
        with self._lock:
            stored = self._tasks[task]
            at = at or self._tick()
            origin = {} if by_button else {"origin": "manual"}
            result = [
                {
                    "id": f"r{index}", "from_name": "label", "to_name": "image", "type": "rectanglelabels", **origin,
                    "original_width": 100, "original_height": 100,
                    "value": {"x": 10 * index, "y": 10, "width": 9, "height": 20, "rotation": 0, "rectanglelabels": [label]},
                }
                for index, label in enumerate(labels)
            ]  # fmt: skip
            parent = stored.predictions[-1]["id"] if by_button and stored.predictions else None
            if began_from is not None:
                parent = next(each["id"] for each in stored.predictions if each["model_version"] == began_from)
            stored.annotations.append(
                {
                    "id": next(self._numbers), "result": result, "was_cancelled": cancelled, "completed_by": who,
                    "parent_prediction": parent, "lead_time": None if by_button else 3.0, "created_at": at.isoformat(),
                    "updated_at": at.isoformat(), "prediction": {},
                }
            )  # fmt: skip
            stored.updated_at = at

    def set(self, project: int, **fields: Any) -> None:
        self._projects[project] = replace(self._projects[project], **fields)

    def versions_of(self, task: int) -> list[str]:
        """Of each stored prediction, oldest first; twice means stored twice."""
        return [each["model_version"] for each in self._tasks[task].predictions]

    def labels_of(self, task: int, version: str) -> list[str]:
        """Labels of a task's prediction of a version, in its order."""
        found = next(each for each in self._tasks[task].predictions if each["model_version"] == version)
        return [region["value"]["rectanglelabels"][0] for region in found["result"]]

    def without_boxes(self, project: int) -> list[int]:
        """Unfinished tasks that have no prediction of the version on show."""
        with self._lock:
            shown = self._projects[project].model_version
            return [
                each.id
                for each in self._tasks.values()
                if each.project == project and not _done(each) and shown not in self.versions_of(each.id)
            ]

    # What the client can be asked.

    def projects_get(self, project: int) -> Project:
        self._called("project")
        if project not in self._projects:
            raise StudioRefused("Label Studio refused GET (404): “Not found.”", status=404)
        with self._lock:
            there = [each for each in self._tasks.values() if each.project == project]
            counts = {"annotations": sum(map(_submitted, there)), "predictions": sum(len(each.predictions) for each in there)}
            return replace(self._projects[project], tasks=len(there), **counts)

    def tasks_list(self, project: int, *, only: Sequence[int] | None = None) -> list[TaskRow]:
        self._called("tasks" if only is None else "tasks of a chunk")
        with self._lock:
            return [self._row(each) for each in self._tasks.values() if each.project == project and (only is None or each.id in only)]

    def predictions_import_many(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> int:
        self._called("import")
        while self.before_import:
            self.before_import.pop(0)()
        config, dropped, stored = LabelConfig.parse(self.projects_get(project).label_config), [], 0
        with self._lock:
            for each in predictions:
                task = self._tasks.get(each["task"])
                if task is None:
                    continue
                if not all(_fits(region, config) for region in each["result"]):
                    dropped.append(task.id)
                    continue
                task.predictions.append({**each, "id": next(self._numbers)})
                stored += 1
        self._changed()
        if dropped:
            raise StudioRefused(f"Label Studio stored {stored} and dropped the others.", tasks=dropped)
        return stored

    def predictions_create(self, prediction: Mapping[str, Any]) -> int:
        self._called("create prediction")
        with self._lock:
            task = self._tasks.get(prediction["task"])
            if task is None:
                raise StudioRefused("Label Studio refused POST (400): “Invalid pk”", status=400)
            task.predictions.append({**prediction, "id": next(self._numbers)})
        self._changed()
        return int(task.predictions[-1]["id"])

    def tasks_drafts(self, task: int) -> list[dict[str, Any]]:
        self._called("drafts")
        return [{"updated_at": self.begun_at.isoformat()}] if self._tasks[task].drafted else []

    def projects_set_label_config(self, project: int, xml: str) -> Project:
        self.set(project, label_config=xml)
        return self.projects_get(project)

    def projects_set_description(self, project: int, text: str) -> None:
        self._called("describe")
        self.set(project, description=text)

    def projects_set_model_version(self, project: int, version: str) -> None:
        self._called("patch")
        if version and not self.projects_model_versions(project).get(version):
            raise StudioRefused("Label Studio refused PATCH (400): “Model version doesn't exist”", status=400)
        self.set(project, model_version=version)
        self._changed()

    def projects_model_versions(self, project: int) -> dict[str, int]:
        self._called("model versions")
        counts: dict[str, int] = {}
        for task in self._tasks.values():
            for each in task.predictions if task.project == project else ():
                counts[each["model_version"]] = counts.get(each["model_version"], 0) + 1
        return counts

    def projects_delete_version(self, project: int, version: str) -> int:
        self._called("delete version")
        gone = 0
        for task in self._tasks.values():
            if task.project == project:
                kept = [each for each in task.predictions if each["model_version"] != version]
                gone += len(task.predictions) - len(kept)
                for annotation in task.annotations:
                    if annotation["parent_prediction"] not in {each["id"] for each in kept}:
                        annotation["parent_prediction"] = None
                task.predictions = kept
        if self._projects[project].model_version == version:
            self.set(project, model_version="")
        self._changed()
        return gone

    def tasks_get(self, task: int) -> dict[str, Any]:
        self._called("task")
        if task not in self._tasks:
            raise StudioRefused("Label Studio refused GET (404): “Not found.”", status=404)
        stored = self._tasks[task]
        return {"id": task, "data": stored.data, "annotations": stored.annotations, "predictions": stored.predictions}

    def predictions_list(self, task: int) -> list[dict[str, Any]]:
        self._called("predictions of a task")
        return [dict(each) for each in self._tasks[task].predictions]

    def predictions_set_result(
        self, prediction: int, result: Sequence[Mapping[str, Any]], *, task: int, score: float | None = None
    ) -> None:
        self._called("change prediction")
        for each in self._tasks[task].predictions:
            if each["id"] == prediction:
                each |= {"result": list(result)} | ({} if score is None else {"score": score})
        self._changed()

    def predictions_delete(self, prediction: int) -> None:
        self._called("delete prediction")
        for task in self._tasks.values():
            task.predictions = [each for each in task.predictions if each["id"] != prediction]
            for annotation in task.annotations:
                if annotation["parent_prediction"] == prediction:
                    annotation["parent_prediction"] = None
        self._changed()

    def projects_export(self, project: int, *, tasks: Sequence[int] | None = None) -> list[dict[str, Any]]:
        self._called("export")
        return [
            {"id": each.id, "data": each.data, "annotations": each.annotations, "predictions": []}
            for each in self._tasks.values()
            if each.project == project and each.annotations and (tasks is None or each.id in tasks)
        ]

    def leases_renew(self, project: int, owner: str) -> list[Lease]:
        self._called("lease")
        if project not in self._projects:
            raise StudioRefused("Label Studio refused GET (404): “Not found.”", status=404)
        held = self.held_leases.setdefault(project, {})
        number = held[owner].id if owner in held else next(self._numbers)
        held[owner] = Lease(number, owner, self.now)
        return sorted((each for each in held.values() if self.now - each.renewed <= timedelta(seconds=90)), key=lambda each: each.id)

    def leases_drop(self, project: int, owner: str | None = None) -> None:
        self.held_leases[project] = {each: lease for each, lease in self.held_leases.get(project, {}).items() if owner not in (None, each)}

    def users_list(self) -> list[StudioUser]:
        return [StudioUser(number, f"person{number}@studio.test") for number in (1, 2, 3)]

    def tabs_show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        self._called("tab")
        self.shown_tabs[name] = list(tasks)
        return f"{self.url}/projects/{project}/data?tab=7"

    def tabs_remove(self, project: int, name: str) -> bool:
        return self.shown_tabs.pop(name, None) is not None

    def _row(self, task: Stored) -> TaskRow:
        cancelled = any(each["was_cancelled"] for each in task.annotations)
        versions = frozenset(each["model_version"] for each in task.predictions)
        about = {"annotated": _submitted(task) > 0, "cancelled": cancelled, "finished": _done(task), "drafted": task.drafted}
        about |= {"answers": _submitted(task), "asked": task.overlap}
        return TaskRow(id=task.id, data=task.data, versions=versions, updated_at=task.updated_at.isoformat(), **about)

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.down:
            raise StudioUnreachable(f"Label Studio does not answer at {self.url} (ConnectionError).")

    def _changed(self) -> None:
        for each in self.watchers:
            each()

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def _done(task: Stored) -> bool:
    return _submitted(task) >= task.overlap


def _submitted(task: Stored) -> int:
    return sum(not each["was_cancelled"] for each in task.annotations)


def _fits(region: Mapping[str, Any], config: LabelConfig) -> bool:
    return region["from_name"] == config.control and set(region["value"]["rectanglelabels"]) <= set(config.labels)
