"""An export that would hold nothing, or less than the one that is there, is refused by name, and the earlier one stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.__main__ import run
from dinolabel.exporters import formats
from dinolabel.exporters.pipeline.refusals import runs
from tests.doubles.annotated import Annotated, annotation, region

OPENING = sorted(set(formats.names()) - {"labelstudio"})
BOX = region("a", (10, 10, 50, 60), "jason")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    world = Annotated(tmp_path / "pictures")
    for number in (1, 2, 3):
        world.add(annotation(number, BOX))
    return world


def export(world: Annotated, place: Path, what: str, *more: str) -> int:
    """`dinolabel export WHAT --from …` as it is typed; into `out`."""
    world.save(place / "export.json")
    given = {"--from": place / "export.json", "--media": world.folder, "--label-config": place / "export.xml", "--out": place / "out"}
    return run(["export", what, *(str(word) for pair in given.items() for word in pair), *more])


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("what", OPENING)
def test_pictures_that_are_gone_leave_the_earlier_export(
    world: Annotated, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(world, tmp_path, what) == 0
    before = files(tmp_path / "out")
    (world.folder / "2.png").rename(tmp_path / "away.png")
    capsys.readouterr()
    assert export(world, tmp_path, what) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "A picture of the earlier export in" in said and "2.png is not in" in said and "--allow-missing" in said
    assert files(tmp_path / "out") == before
    assert export(world, tmp_path, what, "--allow-missing") == 0
    assert files(tmp_path / "out") != before
    assert export(world, tmp_path, what) == 0, "the earlier one lacks it too"
    (tmp_path / "away.png").rename(world.folder / "2.png")
    assert export(world, tmp_path, what) == 0
    assert {path.name for path in files(tmp_path / "out")} == {path.name for path in before}


def test_a_task_that_cannot_be_read_any_more_leaves_the_earlier_tasks(world: Annotated, tmp_path: Path) -> None:
    assert export(world, tmp_path, "labelstudio") == 0
    before = files(tmp_path / "out")
    world.tasks[1]["annotations"] = None
    assert export(world, tmp_path, "labelstudio") == 3
    assert files(tmp_path / "out") == before
    assert export(world, tmp_path, "labelstudio", "--allow-missing") == 0


def test_a_new_picture_that_cannot_be_had_costs_nothing_else(world: Annotated, tmp_path: Path) -> None:
    assert export(world, tmp_path, "coco") == 0
    world.add(annotation(4, BOX))
    (world.folder / "4.png").unlink()
    assert export(world, tmp_path, "coco") == 0
    (failed,) = json.loads((tmp_path / "out/dinolabel.report").read_text())["report"]["failed"]
    assert failed["task"] == 4


@pytest.mark.parametrize("sides", [{"all": 3}, {}])
def test_an_earlier_export_that_noted_no_tasks(world: Annotated, tmp_path: Path, sides: dict[str, int]) -> None:
    """What it lacked is known, and how many it holds."""
    assert export(world, tmp_path, "csv", "--no-split") == 0
    card = tmp_path / "out/dinolabel.report"
    old = json.loads(card.read_text())
    del old["tasks"]
    old["report"]["sides"] = sides
    card.write_text(json.dumps(old))
    (tmp_path / "out/.dinolabel-files").unlink()
    (world.folder / "2.png").unlink()
    assert export(world, tmp_path, "csv", "--no-split") == 3
    old["report"]["failed"] = [{"task": 2}]
    card.write_text(json.dumps(old))
    assert export(world, tmp_path, "csv", "--no-split") == 0


@pytest.mark.parametrize("what", formats.names())
def test_nothing_approved_is_an_error(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    world = Annotated(tmp_path / "pictures")
    world.add()
    world.add(annotation(1, BOX, was_cancelled=True))
    assert export(world, tmp_path, what, "--dry-run") == 0
    assert export(world, tmp_path, what) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Nobody approved a box or an empty picture (1 x skipped annotation), so nothing was written." in said
    assert not (tmp_path / "out").exists()


def test_boxes_of_a_button_are_named_as_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [region("p", (10, 10, 50, 60), "jason", origin=None, score=0.5)]
    world = Annotated(tmp_path / "pictures")
    world.add(annotation(1, *made, shown=made, lead_time=None))
    assert export(world, tmp_path, "coco") == 2
    assert "--unverified" in capsys.readouterr().err
    assert export(world, tmp_path, "coco", "--unverified") == 0


@pytest.mark.parametrize("what", formats.names())
def test_answers_that_went_away_leave_the_earlier_export(world: Annotated, tmp_path: Path, what: str) -> None:
    """Also where something is left that this format leaves out: an empty export would go for a full one."""
    assert export(world, tmp_path, what) == 0
    before = files(tmp_path / "out")
    outline: dict[str, Any] = {
        "from_name": "poly",
        "type": "polygonlabels",
        "value": {"points": [[0, 0], [9, 0], [9, 9]], "polygonlabels": ["x"]},
    }
    for each in world.tasks:
        each["annotations"][0]["result"] = [{**BOX, **outline}]
    if what != "labelstudio":  # which keeps what it cannot read
        assert export(world, tmp_path, what) == 2
        assert files(tmp_path / "out") == before
    for each in world.tasks:
        each["annotations"] = []
    assert export(world, tmp_path, what) == 2
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("generic", ["face", None])
def test_a_name_that_the_label_config_lacks_is_counted_and_kept(
    world: Annotated, tmp_path: Path, generic: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no class here, and not what was looked for either: a dog is no face. The tables keep what people said."""
    world.generic = generic
    world.add(
        annotation(4, region("b", (60, 10, 90, 60), "fred"), region("c", (100, 10, 130, 60), "fred"), region("d", (140, 10, 190, 60)))
    )
    assert export(world, tmp_path, "coco", "--no-split") == 0
    assert "fred 2 boxes: the label config has no such label" in " ".join(capsys.readouterr().out.split())
    report = json.loads((tmp_path / "out/dinolabel.report").read_text())["report"]
    assert (report["unlisted"], report["unlabelled"]) == ({"fred": 2}, 3)
    written = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    names = {each["id"]: each["name"] for each in written["categories"]}
    given = [(names[each["category_id"]], each["attributes"]["given_label"]) for each in written["annotations"] if each["image_id"] == 4]
    assert given == [("unlabelled", "fred"), ("unlabelled", "fred"), (generic or "unlabelled", None)]


def test_numbers_as_runs() -> None:
    assert runs([3, 1, 2, 9, 7, 9]) == [(1, 3), (7, 7), (9, 9)]
    assert runs([]) == []
