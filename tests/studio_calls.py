"""Calls to a Label Studio that only tests make: projects deleted, tasks imported, the next task, *Retrieve predictions*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dinolabel.studio.calls.backends import ASKING_SECONDS
from dinolabel.studio.calls.projects import LONG_SECONDS
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioRefused

IMPORTED_AT_ONCE = 1000


def delete_project(studio: LabelStudio, project: int) -> None:
    studio.api.json("DELETE", f"/api/projects/{project}/", timeout=LONG_SECONDS)


def next_task(studio: LabelStudio, project: int) -> dict[str, Any] | None:
    """What a labeller gets next, with the predictions shown; None when the project is done."""
    try:
        return dict(studio.api.json("GET", f"/api/projects/{project}/next/", timeout=LONG_SECONDS))
    except StudioRefused as error:
        if error.status == 404:
            return None
        raise


def import_tasks(studio: LabelStudio, project: int, data: Sequence[Mapping[str, Any]]) -> list[int]:
    """One task for each, such as {"image": url}. Returns their ids, in order."""
    ids: list[int] = []
    for start in range(0, len(data), IMPORTED_AT_ONCE):
        body = [{"data": dict(each)} for each in data[start : start + IMPORTED_AT_ONCE]]
        path, params = f"/api/projects/{project}/import", {"return_task_ids": "true"}
        ids += studio.api.json("POST", path, params=params, json=body, timeout=LONG_SECONDS)["task_ids"]
    return ids


def retrieve_predictions(studio: LabelStudio, project: int) -> None:
    """What *Retrieve predictions* on all tasks does; returns when the backend has answered, whatever it answered."""
    every = {"selectedItems": {"all": True, "excluded": []}, "filters": {"conjunction": "and", "items": []}, "ordering": []}
    params = {"id": "retrieve_tasks_predictions", "project": project}
    studio.api.json("POST", "/api/dm/actions", params=params, json={"project": project, **every}, timeout=10 * ASKING_SECONDS)
