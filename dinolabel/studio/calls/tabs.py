"""Tabs of the Data Manager: ours are marked, and only those are ever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dinolabel.studio.http_client import ApiClient

DISAGREEMENTS = ("disagreements", "Disagreements")
"""Name and title of the tab of objects that people named differently."""
MARK = "dinolabel"  # a key of the tab's own data, which Label Studio keeps as it is
MOST = 200  # tasks in one tab: each is a filter line in Label Studio's page
NOBODY = 0  # no task has this id
UNSEEN = (
    "inner_id", "completed_at", "cancelled_annotations", "total_predictions", "annotators", "annotations_results", "annotations_ids",
    "predictions_results", "predictions_model_versions", "created_at", "updated_at", "updated_by", "avg_lead_time", "draft_exists",
)  # fmt: skip
"""Columns that are not shown at first: with all of them the picture is off the right edge of the page (seen)."""
UPLOADED, STORED = "file_upload", "storage_filename"
"""Where the file's name is: of a picture that was uploaded, and of one in a storage. The other column stays empty."""


class TabsClient:
    """Tabs of a project's Data Manager."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def list(self, project: int) -> list[dict[str, Any]]:
        """Every tab of a project, as Label Studio describes it: {"id", "data": {"title", "filters", …}, …}."""
        return [dict(each) for each in self.api.json("GET", "/api/dm/views/", params={"project": project})]

    def show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        """Let our tab of that name hold these tasks (the first MOST), made when it is not there; its address for a browser.

        Touches no task, and no tab that a person made, whatever its title.
        """
        items = [_is(each) for each in tasks[:MOST]] or [_is(NOBODY)]
        return self.set(project, name, {"title": title, "filters": {"conjunction": "or", "items": items}, "ordering": []})

    def set(self, project: int, name: str, data: Mapping[str, Any]) -> str:
        """Make or change our tab of that name; its address for a browser. data: {"title", "filters": {…}, "ordering": […], …}.

        What people chose in it besides, such as columns and the size of the pictures, stays.
        """
        ours = self._ours(project, name)
        theirs = self._columns(project) if ours is None else ours["data"]
        body = {"project": project, "data": {**theirs, **data, MARK: name}}
        if ours is None:
            number = int(self.api.json("POST", "/api/dm/views/", json=body)["id"])
        else:
            number = int(ours["id"])
            self.api.json("PATCH", f"/api/dm/views/{number}/", json=body)
        return f"{self.api.url}/projects/{project}/data?tab={number}"

    def remove(self, project: int, name: str) -> bool:
        """Remove our tab of that name; whether there was one."""
        ours = self._ours(project, name)
        if ours is not None:
            self.api.json("DELETE", f"/api/dm/views/{ours['id']}/")
        return ours is not None

    def show_or_remove(self, project: int, tab: tuple[str, str], tasks: Sequence[int]) -> str | None:
        """Let one of our tabs hold these tasks, its address for a browser; without tasks the tab goes. tab: its name and title."""
        if not tasks:
            self.remove(project, tab[0])
            return None
        return self.show_tasks(project, *tab, list(dict.fromkeys(tasks)))

    def _columns(self, project: int) -> dict[str, Any]:
        """The columns of a new tab: with the file's name, where the project keeps it."""
        params = {"project": project, "page_size": 1, "fields": "all"}
        uploaded = any(each.get(UPLOADED) for each in self.api.json("GET", "/api/tasks", params=params)["tasks"])
        hidden = [f"tasks:{each}" for each in (*UNSEEN, STORED if uploaded else UPLOADED)]
        return {"hiddenColumns": {"explore": hidden, "labeling": hidden}}

    def _ours(self, project: int, name: str) -> dict[str, Any] | None:
        return next((each for each in self.list(project) if (each.get("data") or {}).get(MARK) == name), None)


def _is(task: int) -> dict[str, Any]:
    return {"filter": "filter:tasks:id", "operator": "equal", "type": "Number", "value": task}
