"""What the dialogue promises, on a real Label Studio: leases, accepting and taking back, tabs that order by what is worth looking at,
a task deleted in the middle of a chunk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.projects import accept, tabs
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.studio.reviews.decisions import reviewed_boxes
from dinolabel.vision.types import Box, Detection
from tests import studio_calls
from tests.doubles.coloured_things import scene
from tests.doubles.scripted_studio import CONFIG
from tests.e2e.loop import WEIGHTS, service
from tests.waiting import until_in_step

pytestmark = pytest.mark.e2e


@pytest.fixture
def filled(studio: LabelStudio, project_of: Callable[[str], int]) -> tuple[int, dict[int, float]]:
    """A project whose tasks have one prediction each; task -> its score, 0 for the one without a box."""
    project = project_of(CONFIG)
    config = LabelConfig.parse(CONFIG)
    scores = dict(
        zip(
            studio_calls.import_tasks(studio, project, [{"image": f"/data/upload/{at}.png"} for at in range(4)]),
            (0.95, 0.3, 0.7, 0.0),
            strict=True,
        )
    )
    made = []
    for task, score in scores.items():
        found = [Detection(Box(5, 5, 40, 40), "coloured thing", score)] if score else []
        made.append(to_prediction(task, to_result(found, config, width=96, height=96, task=task, version="v.1"), "v.1"))
    assert studio.predictions.import_many(project, made) == 4
    studio.projects.set_model_version(project, "v.1")
    return project, scores


def test_the_second_backend_says_who_writes_and_takes_over_afterwards(
    studio: LabelStudio, project_of: Callable[[str], int], tmp_path: Path
) -> None:
    project = project_of(CONFIG)
    (tmp_path / "photos").mkdir()
    studio.tasks.upload_images(project, [scene(tmp_path / "photos", each) for each in range(2)])
    backends = []
    for name in ("one", "two"):
        ProjectRegistry(tmp_path / name / "projects.json").add(project, weights=WEIGHTS)
        backends.append(service(tmp_path / name, studio))
    until_in_step(backends[0], project)
    outcome = backends[1].reconcile(project)
    assert (outcome.state, outcome.pushed) == ("standby", 0), outcome
    assert studio.webhooks.list(project) == [], "a lease is no webhook that is called"
    studio.leases.drop(project, (tmp_path / "one" / "owner").read_text().strip())
    assert backends[1].reconcile(project).complete
    assert list(studio.projects.model_versions(project).values()) == [2]


def test_accepted_is_unverified_and_taken_back(studio: LabelStudio, filled: tuple[int, dict[int, float]], tmp_path: Path) -> None:
    project, scores = filled
    sure, begun, *_ = scores
    studio.annotations.create(begun, [], lead_time=2.0)
    tasks = accept.candidates(list(studio.tasks.list(project)), "v.1")
    assert begun not in tasks
    done = [each for each in accept.accept(studio, tasks, "v.1", 0.5, tmp_path / "a.jsonl") if each]
    assert {each.task for each in done} == {task for task, score in scores.items() if score >= 0.5 and task != begun}
    exported = {each["id"]: each for each in studio.projects.export(project)}
    assert {each.verdict for each in reviewed_boxes(exported[sure], LabelConfig.parse(CONFIG))} == {"unverified"}
    studio.projects.delete_version(project, "v.1")
    (task,) = [each for each in studio.projects.export(project) if each["id"] == sure]
    assert {each.verdict for each in reviewed_boxes(task, LabelConfig.parse(CONFIG))} == {"unverified"}, (
        "also when Label Studio forgot the parent"
    )
    assert len(list(accept.undo(studio, studio.projects.export(project)))) == len(done)
    assert {each["id"] for each in studio.projects.export(project)} == {begun}


def test_tabs_show_what_is_worth_looking_at_least_sure_first(studio: LabelStudio, filled: tuple[int, dict[int, float]]) -> None:
    """Pictures without a box come last, and have a tab of their own."""
    project, scores = filled
    for _ in range(2):
        tabs.make(studio, project)
    made = {each["data"]["title"]: each for each in studio.tabs.list(project)}
    assert len(studio.tabs.list(project)) == len(made) and {"To do", "Unsure", "Empty", "Done", "Label issues"} <= set(made)

    def listed(title: str) -> list[float]:
        data = made[title]["data"]
        query = json.dumps({"filters": data["filters"], "ordering": data.get("ordering") or []})
        found = studio.api.json("GET", "/api/tasks", params={"project": project, "query": query})
        return [scores[each["id"]] for each in found["tasks"]]

    assert listed("To do") == [0.3, 0.7, 0.95, 0.0]
    assert listed("Unsure") == [0.3]
    assert listed("Empty") == [0.0]
    assert listed("Label issues") == []

    tab = {"project": project, "tabID": made["To do"]["id"]}
    shown = {each: made["To do"]["data"][each] for each in ("filters", "ordering")}
    following = studio.api.json("POST", "/api/dm/actions/", params={"id": "next_task", **tab}, json={**shown, "project": project})
    assert scores[following["id"]] == 0.3, "what a person is shown first"


def test_a_task_deleted_in_the_middle_of_a_chunk_costs_only_itself(studio: LabelStudio, filled: tuple[int, dict[int, float]]) -> None:
    project, scores = filled
    gone, *left = scores
    studio.tasks.delete(gone)
    sent = [to_prediction(task, [], "v.2") for task in scores]
    assert studio.predictions.import_many(project, sent) == len(left)
    assert studio.projects.model_versions(project)["v.2"] == len(left)
