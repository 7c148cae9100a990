"""Exports and imports with a real Label Studio: its own import takes our tasks back, and COCO goes there and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dinolabel.__main__ import run
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import regions
from tests.doubles.annotated import Annotated, mixed, region

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytestmark = pytest.mark.e2e
Make = Callable[[str], int]


def boxes(studio: LabelStudio, project: int, config: LabelConfig) -> dict[str, list[tuple[Any, ...]]]:
    """label, corners and turn of each box of each answered task, by the picture's name without the number that an export puts before it."""
    found = {}
    for task in studio.projects.export(project):
        live = [each for each in task["annotations"] if not each["was_cancelled"]]
        name = original_name(task["data"]["image"])
        for each in live:
            found[name.split("-", 1)[-1]] = [(region.label, region.box.xyxy, region.rotation) for region in regions(each["result"], config)]
    return found


def same(after: dict[str, list[tuple[Any, ...]]], before: dict[str, list[tuple[Any, ...]]], *, within: float) -> None:
    assert set(after) == set(before)
    for name, expected in before.items():
        assert [label for label, _, _ in after[name]] == [label for label, _, _ in expected]
        for (_, box, turn), (_, true, true_turn) in zip(after[name], expected, strict=True):
            assert box == pytest.approx(true, abs=within)
            assert turn == pytest.approx(true_turn, abs=0.1)


def test_there_and_back(
    studio: LabelStudio, studio_server: Server, project_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOLABEL_STUDIO_URL", studio_server.url)
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", studio_server.token)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    world = mixed(tmp_path / "pictures")
    files = [world.folder / name for name in ("one/x.png", "two/x.png", "3.png", "4.png", "5.png", "6.png")]
    files[1] = files[1].rename(files[1].with_name("y.png"))  # so that pictures can be told apart by name below
    first, second, third = project_of(world.xml), project_of(world.xml), project_of(world.xml)
    for number, task in zip(studio.tasks.upload_images(first, files), world.tasks, strict=True):
        done = task["annotations"][0]
        studio.annotations.create(number, done["result"], lead_time=2.0, was_cancelled=done["was_cancelled"])
    before = boxes(studio, first, world.config)
    assert sorted(before) == ["3.png", "4.png", "6.png", "x.png", "y.png"]

    assert run(["export", "labelstudio", "--project", str(first), "--out", str(tmp_path / "tasks")]) == 0
    tasks = json.loads((tmp_path / "tasks" / "tasks-00000.json").read_text())
    said = studio.api.json("POST", f"/api/projects/{second}/import", json=tasks)
    assert (said["task_count"], said["annotation_count"]) == (5, 5)
    same(boxes(studio, second, world.config), before, within=1e-6)

    assert run(["export", "coco", "--project", str(first), "--out", str(tmp_path / "coco")]) == 0
    command = ["import", "coco", str(tmp_path / "coco"), "--project", str(third), "--yes"]
    assert run(command) == 0
    there = {name.split("-", 1)[-1]: found for name, found in boxes(studio, third, world.config).items()}
    same(there, before, within=0.5)
    assert run(command) == 0
    assert len(list(studio.tasks.list(third))) == 5
    assert run(["import", "coco", str(tmp_path / "coco"), "--project", str(first), "--yes"]) == 0  # answered already, all of it
    same(boxes(studio, first, world.config), before, within=0)
    assert run(["effort", "--project", str(first), "--out", str(tmp_path / "effort.html")]) == 0


def test_what_nobody_drew_stays_so(
    studio: LabelStudio, studio_server: Server, project_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label Studio's button, over a scored box, one without a score, and none; then a trip, and the predictions deleted."""
    monkeypatch.setenv("DINOLABEL_STUDIO_URL", studio_server.url)
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", studio_server.token)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    world = Annotated(tmp_path / "pictures")
    for _ in range(4):
        world.add()
    first, second = project_of(world.xml), project_of(world.xml)
    ids = studio.tasks.upload_images(first, [world.folder / f"{number}.png" for number in range(1, 5)])
    box = region("p", (10, 10, 50, 60), "jason", origin=None)
    shown = [[{**box, "score": 0.8}], [{name: value for name, value in box.items() if name != "score"}], []]
    for number, result in zip(ids[:3], shown, strict=True):
        studio.api.json("POST", "/api/predictions/", json={"task": number, "result": result, "score": 0.5, "model_version": "v1"})
    studio.projects.set_model_version(first, "v1")
    action = {"selectedItems": {"all": False, "included": ids[:3]}, "model_version": "v1"}
    studio.api.json("POST", f"/api/dm/actions?id=predictions_to_annotations&project={first}", json=action)
    studio.annotations.create(ids[3], [], lead_time=0.0)  # as an import writes an empty picture

    def report(project: int, name: str) -> tuple[int, int, int]:
        out = tmp_path / f"{name}-{project}"
        assert run(["export", "coco", "--project", str(project), "--out", str(out)]) == 0
        found = json.loads((out / "dinolabel.report").read_text())["report"]
        return found["approved"]["jason"], found["unverified"], found["negatives"]

    assert report(first, "made") == (0, 2, 1)
    assert run(["export", "labelstudio", "--project", str(first), "--unverified", "--out", str(tmp_path / "tasks")]) == 0
    tasks = json.loads((tmp_path / "tasks" / "tasks-00000.json").read_text())
    without = [{name: value for name, value in each.items() if name != "predictions"} for each in tasks]
    studio.api.json("POST", f"/api/projects/{second}/import", json=without)
    assert report(second, "moved") == (0, 2, 1)
    for number in ids[:3]:
        for each in studio.predictions.list(number):
            studio.predictions.delete(int(each["id"]))
    assert report(first, "forgotten")[1] == 1, "the box with a score; the other has nothing left that tells it"
