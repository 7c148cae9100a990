"""What cannot be read or opened fails by name in every format, and costs nothing else; where nothing can be had, nothing is replaced."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.annotation_effort.counts import EffortCounts
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.refusals import NothingExported
from dinolabel.exporters.pipeline.report import count
from dinolabel.studio.reviews.infer_config import infer_config
from dinolabel.vision.errors import MediaUnavailable
from tests.doubles.annotated import Annotated, mixed

FORMATS = ("crops", "coco", "yolo", "voc", "csv", "parquet", "hf", "labelstudio", "xmp")
OPENING = tuple(each for each in FORMATS if each != "labelstudio")
MALFORMED: list[tuple[Any, str]] = [
    (None, "it is no object (number 1 of the export)"),
    ([1], "it is no object (number 1 of the export)"),
    ({"data": {"image": "a.png"}, "annotations": []}, "its `id` is no number (number 1 of the export)"),
    ({"id": "7", "data": {"image": "a.png"}, "annotations": []}, "its `id` is no number (number 1 of the export)"),
    ({"id": True, "data": {"image": "a.png"}, "annotations": []}, "its `id` is no number (number 1 of the export)"),
    ({"id": 77, "data": ["a.png"], "annotations": []}, "its `data` is no object"),
    ({"id": 77, "data": None, "annotations": []}, "its `data` is no object"),
    ({"id": 77, "data": {"image": "a.png"}}, "its `annotations` are no list"),
    ({"id": 77, "data": {"image": "a.png"}, "annotations": {"id": 1}}, "its `annotations` are no list"),
    ({"id": 77, "data": {"image": "a.png"}, "annotations": [None]}, "one of its annotations is no object"),
    ({"id": 77, "data": {"image": "a.png"}, "annotations": [{"id": 3, "result": "x"}]}, "the `result` of its annotation 3 is no list"),
    ({"id": 77, "data": {"image": "a.png"}, "annotations": [], "predictions": 4}, "its `predictions` are no list"),
]


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return mixed(tmp_path / "pictures")


def write(world: Annotated, name: str, out: Path, tasks: list[Any]) -> Any:
    how: dict[str, Any] = {"open_image": world.open, "find": world.find, "wish": ExportOptions(split=False)}
    return formats.load(name).export(tasks, world.config, out, **how)


@pytest.mark.parametrize("name", FORMATS)
def test_a_task_that_makes_no_sense_costs_nothing_else(world: Annotated, tmp_path: Path, name: str) -> None:
    whole = write(world, name, tmp_path / "whole", world.tasks)
    broken = write(world, name, tmp_path / "broken", [*(task for task, _ in MALFORMED), *world.tasks])
    assert len(broken.failed) == len(MALFORMED) + len(whole.failed)
    assert (broken.rows, broken.approved, broken.images) == (whole.rows, whole.approved, whole.images)


@pytest.mark.parametrize(("task", "why"), MALFORMED)
def test_it_is_named_with_what_is_wrong(task: Any, why: str) -> None:
    failed: list[Any] = []
    assert list(readable_tasks([task], failed)) == []
    assert [(each["task"], each["why"]) for each in failed] == [
        (77 if "number" not in why.partition("(")[2] else None, f"The task cannot be read: {why}.")
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_a_number_that_two_tasks_have_is_of_the_first(world: Annotated, tmp_path: Path, name: str) -> None:
    """Two exports in one file: image ids are task numbers, so boxes of both would be of either picture."""
    whole = write(world, name, tmp_path / "whole", world.tasks)
    other = {**copy.deepcopy(world.tasks[1]), "id": world.tasks[0]["id"]}
    report = write(world, name, tmp_path / "twice", [*world.tasks, other])
    (failed,) = report.failed
    assert (failed["task"], report.rows) == (None, whole.rows)
    assert failed["why"] == f"The task cannot be read: an earlier one has its number, 1 (number {len(world.tasks) + 1} of the export)."
    assert "several projects" in failed["hint"]


def test_every_other_reader_goes_on_too(world: Annotated) -> None:
    tasks = [*(task for task, _ in MALFORMED), *world.tasks]
    assert len(count(tasks, world.config, ExportOptions()).failed) == len(MALFORMED)
    assert infer_config(tasks) == infer_config(world.tasks)
    effort = EffortCounts()
    for task in readable_tasks(tasks, []):
        effort.add(task, world.config)
    assert effort.summary()["annotations"] + effort.summary()["imported"]


@pytest.mark.parametrize("address", ["http://[::1", "s3://", "\x00", "x" * 5000, 7, None, ["a"], "http://h:99999999/x.png", "gopher://x/y"])
@pytest.mark.parametrize("name", OPENING)
def test_an_odd_address_costs_its_picture_only(world: Annotated, tmp_path: Path, name: str, address: Any) -> None:
    before = write(world, name, tmp_path / "before", world.tasks)
    odd = copy.deepcopy(world.tasks[0])
    odd |= {"id": 99, "data": {world.config.data_key: address}}
    report = write(world, name, tmp_path / "out", [odd, *world.tasks])
    (failed,) = (each for each in report.failed if each["task"] == 99)
    assert failed["boxes"] and failed["why"] and failed["hint"]
    assert report.rows == before.rows


@pytest.mark.parametrize("name", OPENING)
def test_where_no_picture_can_be_had_the_earlier_export_stays(world: Annotated, tmp_path: Path, name: str) -> None:
    def gone(_address: Any) -> Any:
        raise MediaUnavailable("It is not there.", hint="Check --media.")

    write(world, name, tmp_path / "exports" / "out", world.tasks)
    before = {path: path.read_bytes() for path in (tmp_path / "exports").rglob("*") if path.is_file()}
    world.open = world.find = gone  # type: ignore[method-assign]
    with pytest.raises(NothingExported, match="None of the 5 pictures of this export could be had") as told:
        write(world, name, tmp_path / "exports" / "out", world.tasks)
    assert told.value.hint == "Check --media." and len(told.value.report.failed) == 5
    assert {path: path.read_bytes() for path in (tmp_path / "exports").rglob("*") if path.is_file()} == before
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["out"]
