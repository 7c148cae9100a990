"""Names that change and people who are forgotten, on a real Label Studio: people's annotations stay to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinolabel.__main__ import run
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.label_configs.rename import rename_label
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.studio.reviews.decisions import reviewed_boxes
from dinolabel.vision.types import Box, Detection, Named, Reference
from tests import studio_calls

pytestmark = pytest.mark.e2e

XML = build({"human face": "face"}, ["jason", "lacy"])


@pytest.fixture
def reviewed(studio: LabelStudio, project_of: Callable[[str], int]) -> tuple[int, list[int]]:
    """Two tasks with a prediction that says jason; a person has submitted the first as it was."""
    project = project_of(XML)
    tasks = studio_calls.import_tasks(studio, project, [{"image": f"/data/upload/{each}.png"} for each in range(2)])
    because = (Reference("7/1/r/person", "jason", 0.1),)
    first, second = Box(10, 10, 60, 60), Box(100, 10, 150, 60)
    found = [Detection(first, "human face", 0.8, Named("jason", 0.9, because)), Detection(second, "human face", 0.5)]
    size = {"width": 200, "height": 100}
    results = [to_result(found, LabelConfig.parse(XML), **size, task=task, version="v1") for task in tasks]
    made = [to_prediction(task, result, "v1") for task, result in zip(tasks, results, strict=True)]
    assert studio.predictions.import_many(project, made) == 2
    (prediction,) = studio.predictions.list(tasks[0])
    kept = [{**each, "origin": "prediction"} for each in prediction["result"]]
    studio.annotations.create(tasks[0], kept, lead_time=2.0, parent_prediction=prediction["id"])
    return project, tasks


def annotations(studio: LabelStudio, task: int) -> list[dict[str, Any]]:
    return list(studio.tasks.get(task)["annotations"])


def test_a_renamed_label_reads_what_was_annotated_before(studio: LabelStudio, reviewed: tuple[int, list[int]]) -> None:
    project, tasks = reviewed
    before = json.dumps(annotations(studio, tasks[0])[0]["result"])
    studio.projects.set_label_config(project, rename_label(XML, "jason", "maria"))
    config = LabelConfig.parse(studio.projects.get(project).label_config)
    assert config.aliases == {"jason": "maria"}
    (task,) = studio.projects.export(project)
    assert {(each.label, each.verdict) for each in reviewed_boxes(task, config)} == {("maria", "approved"), ("face", "approved")}
    assert json.dumps(annotations(studio, tasks[0])[0]["result"]) == before


def test_forget_takes_our_word_back_and_leaves_the_persons(
    studio: LabelStudio, studio_server: Any, reviewed: tuple[int, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, tasks = reviewed
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATA_DIR": str(tmp_path / "data"), "STUDIO_URL": studio_server.url, "STUDIO_TOKEN": studio_server.token}.items():
        monkeypatch.setenv(f"DINOLABEL_{name}", value)
    before = annotations(studio, tasks[0])[0]
    assert run(["forget", "jason", "--project", str(project), "--yes"]) == 0
    for task in tasks:
        (prediction,) = studio.predictions.list(task)
        assert "jason" not in json.dumps(prediction)
        assert [each["value"]["rectanglelabels"] for each in prediction["result"]] == [["face"], ["face"]]
        assert prediction["model_version"] == "v1"
    after = annotations(studio, tasks[0])[0]
    assert (after["result"], after["parent_prediction"]) == (before["result"], before["parent_prediction"])
    assert LabelConfig.parse(studio.projects.get(project).label_config).learnt == ("lacy",)
