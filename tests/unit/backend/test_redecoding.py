"""Pictures that an earlier version decoded to other pixels get their boxes anew, once, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.backend.reconciler import redecoding
from dinolabel.vision.decoding.pictures import RULES, open_image
from tests.waiting import until_in_step

OLD: list[dict[str, Any]] = []  # what the earlier version had found


@pytest.fixture
def filled(world) -> tuple[Any, int, list[int]]:
    """A project as an earlier version left it: three turned TIFFs, the second begun, the third answered, and a PNG."""
    project = world.project(4)
    tasks = world.ids(project)
    for number in tasks[:3]:
        stored = world.studio._tasks[number]
        name = Path(stored.data["image"]).name
        with PIL.Image.open(world.photos / name) as picture:
            exif = PIL.Image.Exif()
            exif[274] = 6
            picture.save(world.photos / f"{name}.tif", exif=exif)
        assert open_image(world.photos / f"{name}.tif").decoding
        stored.data["image"] += ".tif"
    until_in_step(world.service(), project)
    world.studio.begin(tasks[1])
    world.studio.annotate(tasks[2], ["thing"], began_from=world.studio.projects.get(project).model_version)
    world.studio.ask_for(tasks[2], 2)
    for number in tasks:
        world.studio._tasks[number].predictions[0]["result"] = OLD
    world.projects.update(project, decoding="")
    return world, project, tasks


def found(world, tasks: list[int]) -> list[int]:
    return [len(world.studio._tasks[number].predictions[0]["result"]) for number in tasks]


def test_they_are_made_anew_once(filled) -> None:
    world, project, tasks = filled
    version = world.studio.projects.get(project).model_version
    service = world.service()
    until_in_step(service, project)
    assert found(world, tasks) == [2, 0, 0, 0]
    assert [world.studio.versions_of(each) for each in tasks] == [[version]] * 4
    assert world.projects.get(project).decoding == RULES
    calls = len(world.studio.calls)
    service.reconcile(project)
    assert not {"change prediction", "predictions of a task"} & set(world.studio.calls[calls:])


def test_a_picture_that_is_away_is_looked_at_after_the_next_start(filled) -> None:
    world, project, tasks = filled
    picture = world.photos / Path(world.studio._tasks[tasks[0]].data["image"]).name
    away = picture.rename(picture.with_suffix(".away"))
    until_in_step(world.service(), project)
    assert (found(world, tasks), world.projects.get(project).decoding) == ([0, 0, 0, 0], "")
    away.rename(picture)
    until_in_step(world.service(), project)
    assert (found(world, tasks), world.projects.get(project).decoding) == ([2, 0, 0, 0], RULES)


def test_it_goes_on_with_the_next_visit(filled, monkeypatch: pytest.MonkeyPatch) -> None:
    world, project, tasks = filled
    monkeypatch.setattr(redecoding, "CHUNK", 1)
    for number in tasks[1:3]:
        world.studio.remove_task(number)
    service = world.service()
    assert (service.reconcile(project, seconds=0).state, found(world, tasks[:1])) == ("backfilling", [2])
    until_in_step(service, project)
    assert world.projects.get(project).decoding == RULES
