"""A tab of the Data Manager that holds chosen tasks, on a real Label Studio: ours alone is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import build
from tests import studio_calls

pytestmark = pytest.mark.e2e


def shown(studio: LabelStudio, tab: dict[str, Any], project: int) -> list[int]:
    query = {"project": project, "view": tab["id"]}
    return sorted(int(each["id"]) for each in studio.api.json("GET", "/api/tasks", params=query)["tasks"])


def test_a_tab_holds_the_tasks_it_is_given_and_leaves_everything_else(studio: LabelStudio, project_of: Callable[[str], int]) -> None:
    project = project_of(build({"human face": "face"}, ["jason"]))
    tasks = studio_calls.import_tasks(studio, project, [{"image": f"/data/upload/{each}.png"} for each in range(5)])
    theirs = {"project": project, "data": {"title": "Label issues", "filters": {"conjunction": "and", "items": []}}}
    studio.api.json("POST", "/api/dm/views/", json=theirs)
    before = [studio.tasks.get(each) for each in tasks]

    address = studio.tabs.show_tasks(project, "suspects", "Label issues", tasks[1:3])
    theirs_now, ours = sorted(studio.tabs.list(project), key=lambda each: int(each["id"]))
    assert address == f"{studio.url}/projects/{project}/data?tab={ours['id']}"
    assert ours["data"]["title"] == "Label issues" and ours["data"]["dinolabel"] == "suspects"
    assert shown(studio, ours, project) == sorted(tasks[1:3])
    assert shown(studio, theirs_now, project) == sorted(tasks)

    assert studio.tabs.show_tasks(project, "suspects", "Label issues", tasks[:1]) == address
    (again,) = [each for each in studio.tabs.list(project) if each["data"].get("dinolabel")]
    assert shown(studio, again, project) == tasks[:1]
    studio.tabs.show_tasks(project, "suspects", "Label issues", [])
    (empty,) = [each for each in studio.tabs.list(project) if each["data"].get("dinolabel")]
    assert shown(studio, empty, project) == []
    assert json.dumps([studio.tasks.get(each) for each in tasks]) == json.dumps(before)

    hidden = empty["data"]["hiddenColumns"]["explore"]
    assert "tasks:created_at" in hidden, "else the picture is off the page"
    assert "tasks:predictions_model_versions" in hidden and "tasks:file_upload" in hidden and "tasks:storage_filename" not in hidden
    studio.api.json("PATCH", f"/api/dm/views/{empty['id']}/", json={"project": project, "data": {**empty["data"], "gridWidth": 3}})
    studio.tabs.show_tasks(project, "suspects", "Label issues", [])
    (kept,) = [each for each in studio.tabs.list(project) if each["data"].get("dinolabel")]
    assert kept["data"]["gridWidth"] == 3, "what a person chose in it stays"

    assert studio.tabs.remove(project, "suspects") and not studio.tabs.remove(project, "suspects")
    assert [each["id"] for each in studio.tabs.list(project)] == [theirs_now["id"]]
