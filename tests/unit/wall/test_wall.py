"""The wall: what stands on it, what answers do to it, and what a newer model version keeps of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dinolabel.vision.errors import RequestError
from dinolabel.vision.types import Box
from dinolabel.wall.crops import WallCrop
from dinolabel.wall.journal import Journal
from dinolabel.wall.wall import Wall
from tests.unit.wall.test_grouping import identities

GENERIC = frozenset({"face"})


def wall_of(folder: Path, people: int = 3, each: int = 4, **changes) -> Wall:
    rows, _ = identities(people, each)
    crops = [
        WallCrop(at // 2, f"r{at}", "face", Box(10 + 40 * (at % 2), 10, 40 + 40 * (at % 2), 40), 100, 100, 0.5, taken=False)
        for at in range(people * each)
    ]
    crops = [replace(crop, **changes.get(crop.region, {})) for crop in crops]
    return Wall(crops, rows, Journal(folder / "answers.jsonl"), GENERIC)


def keys(wall: Wall, *numbers: int) -> list[tuple[int, str]]:
    return [wall.crops[at].key for at in numbers]


def test_a_named_group_leaves_and_strays_stay(tmp_path: Path) -> None:
    wall = wall_of(tmp_path)
    first = wall.groups()[0]
    assert sorted(first.members) == [0, 1, 2, 3]
    wall.answer("name", keys(wall, 0, 1, 2), who="jason", name="maria")
    assert [sorted(each.members) for each in wall.groups()] == [[4, 5, 6, 7], [8, 9, 10, 11], [3]]
    assert wall.names() == {"maria": wall.names()["maria"]} and set(wall.names()["maria"]) == {0, 1, 2}


def test_the_stray_is_suggested_at_once_and_what_is_denied_is_not_again(tmp_path: Path) -> None:
    wall = wall_of(tmp_path)
    wall.answer("name", keys(wall, 0, 1, 2), who="jason", name="maria")
    page = wall.suggestions("maria")
    assert [each.group.members for each in page] == [(3,)] and page[0].likely
    wall.answer_page("maria", page, [], who="jason")
    assert wall.suggestions("maria") == []
    assert wall.states()[wall.crops[3].key].not_names == {"maria"}
    wall.undo("jason")
    assert [each.group.members for each in wall.suggestions("maria")] == [(3,)]


def test_boxes_that_people_submitted_are_examples_and_never_changed(tmp_path: Path) -> None:
    wall = wall_of(tmp_path, r0={"taken": True, "label": "maria"}, r4={"taken": True})
    assert wall.name_of(0) == "maria" and wall.name_of(4) is None
    assert not {0, 4} & {at for each in wall.groups() for at in each.members}
    assert wall.suggestions("maria")[0].group.members == (1, 2, 3) or set(wall.suggestions("maria")[0].group.members) == {1, 2, 3}
    with pytest.raises(RequestError, match="submitted in Label Studio"):
        wall.answer("name", keys(wall, 0), who="jason", name="lacy")


@pytest.mark.parametrize("kind", ["no object", "hide"])
def test_what_is_no_object_or_hidden_leaves_without_a_name(tmp_path: Path, kind: str) -> None:
    wall = wall_of(tmp_path)
    wall.answer(kind, keys(wall, 0, 1, 2, 3), who="jason")  # type: ignore[arg-type]
    assert len(wall.groups()) == 2 and wall.names() == {}


def test_split_and_merge(tmp_path: Path) -> None:
    wall = wall_of(tmp_path)
    first, second, third = wall.groups()
    apart = wall.split(first.id, keys(wall, 0, 1))
    assert sorted(wall.find_group(apart).members) == [0, 1] and sorted(wall.find_group(first.id).members) == [2, 3]
    wall.merge([second.id, third.id])
    assert len(wall.groups()) == 3 and wall.groups()[0].id == second.id
    assert len(wall.find_group(third.id).members) == 4  # somebody else may still look at it
    with pytest.raises(RequestError, match="not all"):
        wall.split(first.id, keys(wall, 2, 3))
    with pytest.raises(RequestError, match="no group 99"):
        wall.find_group(99)


def test_decisions_go_over_to_the_boxes_of_a_newer_model_version(tmp_path: Path) -> None:
    before = wall_of(tmp_path)
    before.answer("name", keys(before, 0, 1), who="jason", name="maria")
    newer = {f"r{at}": {"region": f"new{at}"} for at in range(12)} | {"r1": {"region": "new1", "box": Box(60, 60, 99, 99)}}
    after = wall_of(tmp_path, **newer)
    assert after.name_of(0) == "maria"  # in the same place
    assert after.name_of(1) is None  # this one is elsewhere
    assert wall_of(tmp_path, **newer).journal.answers() == after.journal.answers()  # noted once


def test_names_that_label_studio_shows_can_be_confirmed(tmp_path: Path) -> None:
    wall = wall_of(tmp_path, r0={"label": "maria", "score": 0.7}, r1={"label": "maria", "score": 0.9})
    assert wall.predicted() == {"maria": [1, 0]}
    wall.answer("name", keys(wall, 0, 1), who="jason", name="maria")
    assert wall.predicted() == {}


def test_groups_become_looser_once_most_names_are_known(tmp_path: Path) -> None:
    rows, names = identities(4, 20, spread=0.9)
    crops = [WallCrop(at, "r", None, Box(0, 0, 9, 9), 10, 10, 0.5, taken=False) for at in range(80)]
    wall = Wall(crops, rows, Journal(tmp_path / "answers.jsonl"), frozenset())
    many, tight = len(wall.groups()), wall.tight
    for name in sorted(set(names)):
        wall.answer("name", [crops[at].key for at in range(80) if names[at] == name][:12], who="jason", name=name)
    assert wall.tight > tight and len(wall.groups()) <= many
    assert sorted(at for each in wall.groups() for at in each.members) == [at for at in range(80) if at % 20 >= 12]


@pytest.mark.parametrize(
    ("kind", "crops", "name", "told"),
    [("name", [], "maria", "No crop"), ("name", [(0, "r0")], " ", "No name"), ("name", [(9, "gone")], "maria", "not on this wall")],
)
def test_answers_that_make_no_sense_are_refused(tmp_path: Path, kind, crops, name: str, told: str) -> None:
    wall = wall_of(tmp_path)
    with pytest.raises(RequestError, match=told):
        wall.answer(kind, crops, who="jason", name=name)
    assert wall.journal.answers() == []


def test_a_wall_of_one_crop(tmp_path: Path) -> None:
    wall = wall_of(tmp_path, people=1, each=1)
    assert [each.members for each in wall.groups()] == [(0,)]
    wall.answer("name", keys(wall, 0), who="jason", name="maria")
    assert wall.groups() == [] and wall.suggestions("maria") == [] and wall.find_like(keys(wall, 0)) == []
