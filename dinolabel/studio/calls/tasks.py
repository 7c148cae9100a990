"""Tasks and annotations: the cheap listing, uploads, one task, a person's answer."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinolabel.studio.calls.projects import LONG_SECONDS, task_pages
from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.http_client import ApiClient

PAGE = 1000
IDS = 200
"""Task ids in one address: servers refuse longer ones."""

TaskIds = list[int]
Drafts = list[dict[str, Any]]

UPLOAD_FILES = 50
UPLOAD_BYTES = 64 * 2**20
_FIELDS = "id,data,predictions_model_versions,total_annotations,cancelled_annotations,overlap,updated_at,draft_exists"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in short. versions: of its stored predictions. annotated: somebody submitted it. cancelled: somebody skipped it.

    finished: as many submitted it as the project asks for, so nobody gets it any more. drafted: somebody has begun it. answers: how many
    submitted it. asked: how many the project asks for.
    """

    id: int
    data: Mapping[str, Any] = field(hash=False)
    versions: frozenset[str]
    annotated: bool
    cancelled: bool
    updated_at: str
    finished: bool
    drafted: bool = False
    answers: int = 0
    asked: int = 1

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> TaskRow:
        versions = str(reply.get("predictions_model_versions") or "").split(",")
        submitted, asked = int(reply.get("total_annotations") or 0), max(1, int(reply.get("overlap") or 1))
        return cls(
            id=int(reply["id"]),
            data=reply.get("data") or {},
            versions=frozenset(each.strip() for each in versions if each.strip()),
            annotated=submitted > 0,
            cancelled=bool(reply.get("cancelled_annotations")),
            updated_at=str(reply.get("updated_at") or ""),
            # Not `is_labeled`, which stays false when one person submits a task of overlap 2 twice (measured).
            finished=submitted >= asked,
            drafted=bool(reply.get("draft_exists")),
            answers=submitted,
            asked=asked,
        )


class TasksClient:
    """Tasks of projects."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def list(self, project: int, *, only: Sequence[int] | None = None) -> Iterator[TaskRow]:
        """Every task of a project, or those of `only` that exist, by pages (0.2 to 0.7 s per 1,000, measured).

        A task deleted between two pages may hide another until the next listing.
        """
        for start in range(0, 1 if only is None else len(only), IDS):
            chosen = {} if only is None else {"query": _only_ids(only[start : start + IDS])}
            params = {"project": project, "page_size": PAGE, "fields": "all", "include": _FIELDS, **chosen}
            yield from (TaskRow.of(each) for tasks in task_pages(self.api, params) for each in tasks)

    def get(self, task: int) -> dict[str, Any]:
        """A task's JSON with annotations and predictions. Raises StudioRefused with status 404 when there is none."""
        return dict(self.api.json("GET", f"/api/tasks/{task}/"))

    def drafts(self, task: int) -> Drafts:
        """What people have begun of a task and not submitted, each with `updated_at`."""
        return [dict(each) for each in self.api.json("GET", f"/api/tasks/{task}/drafts")]

    def delete(self, task: int) -> None:
        self.api.json("DELETE", f"/api/tasks/{task}/")

    def upload_images(self, project: int, paths: Sequence[Path]) -> TaskIds:
        """Sends picture files, one task each. Returns their ids, in order of the paths."""
        ids: TaskIds = []
        for batch in _batches(paths):
            with ExitStack() as stack:
                files = [(f"f{at}", (path.name, stack.enter_context(path.open("rb")), _type(path))) for at, path in enumerate(batch)]
                ids += self._import(project, files=files)
        return ids

    def add_data(self, task: int, data: Mapping[str, Any]) -> None:
        """Put more keys beside what a task's data holds; a key that is there keeps its value."""
        there = self.get(task)["data"]
        self.api.json("PATCH", f"/api/tasks/{task}/", json={"data": {**data, **there}})

    def _import(self, project: int, **body: Any) -> TaskIds:
        reply = self.api.json("POST", f"/api/projects/{project}/import", params={"return_task_ids": "true"}, timeout=LONG_SECONDS, **body)
        if "task_ids" not in reply:
            raise StudioRefused("Label Studio imports in the background and did not name the tasks.", hint="Import by its own page.")
        return [int(each) for each in reply["task_ids"]]


class AnnotationsClient:
    """Annotations of tasks."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def create(
        self,
        task: int,
        result: Sequence[Mapping[str, Any]],
        *,
        lead_time: float | None,
        parent_prediction: int | None = None,
        was_cancelled: bool = False,
    ) -> dict[str, Any]:
        """A person's answer as the editor would send it. was_cancelled: skipped."""
        body = {"result": list(result), "lead_time": lead_time, "was_cancelled": was_cancelled, "parent_prediction": parent_prediction}
        return dict(self.api.json("POST", f"/api/tasks/{task}/annotations/", json=body))

    def delete(self, annotation: int) -> None:
        self.api.json("DELETE", f"/api/annotations/{annotation}/")


def _only_ids(ids: Sequence[int]) -> str:
    return json.dumps({"selectedItems": {"all": False, "included": list(ids)}}, separators=(",", ":"))


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in paths:
        bytes_ = path.stat().st_size
        if batch and (len(batch) >= UPLOAD_FILES or size + bytes_ > UPLOAD_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += bytes_
    if batch:
        yield batch


def _type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
