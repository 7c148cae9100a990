"""`dinolabel export` over what people mark that is no box of ours: never "nothing here", counted, named, and taken when asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinolabel.__main__ import run
from dinolabel.exporters import formats
from dinolabel.exporters.options import ExportOptions
from dinolabel.studio.reviews.annotations import is_made_by_button
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from tests.doubles.annotated import HEIGHT, WIDTH, Annotated, annotation, region
from tests.doubles.shelf import Shelf

A, B = (10.0, 10.0, 50.0, 60.0), (100.0, 10.0, 150.0, 60.0)
JASON = region("a", A, "jason")
BARE = {name: value for name, value in JASON.items() if not name.startswith("original")}
POINTS = [[5, 10], [25, 10], [25, 60], [5, 60]]  # A's corners in percent
OUTLINE = {"id": "q", "from_name": "poly", "to_name": "image", "type": "polygonlabels", "origin": "manual"}
OUTLINE |= {"original_width": WIDTH, "original_height": HEIGHT, "value": {"points": POINTS, "polygonlabels": ["outline"]}}
TWO = {**JASON, "id": "t", "value": {**JASON["value"], "rectanglelabels": ["jason", "lacy"]}}
ELSE = {**region("e", A, "ear"), "from_name": "ears"}
SHOWN = [region("p", A, "face", origin=None, score=0.8)]
PLACE = {name: value for name, value in JASON["value"].items() if name != "rectanglelabels"}
PAIR = [
    {**JASON, "from_name": "bbox", "type": "rectangle", "value": PLACE},
    {**JASON, "type": "labels", "value": {**PLACE, "labels": ["jason"]}},
]
SMALL = region("s", (10, 10, 10.5, 60), "jason")

DETECTION = ["coco", "yolo", "voc", "hf", "parquet"]


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return Annotated(tmp_path / "pictures")


def command(world: Annotated, place: Path, what: str, *more: str, config: bool = True) -> tuple[int, Path]:
    """`dinolabel export WHAT --from …` as it is typed."""
    world.save(place / "export.json")
    settings = ["--label-config", str(place / "export.xml")] if config else []
    out = place / f"out-{what}"
    return run(
        ["export", what, "--from", str(place / "export.json"), "--media", str(world.folder), "--out", str(out), *settings, *more]
    ), out


def coco(out: Path) -> tuple[int, list[tuple[str, list[float]]]]:
    """Pictures, and label and bbox of each annotation."""
    read = json.loads((out / "annotations/instances.json").read_text())
    names = {each["id"]: each["name"] for each in read["categories"]}
    return len(read["images"]), [(names[each["category_id"]], each["bbox"]) for each in read["annotations"]]


FOUND = [("jason", pytest.approx([10, 10, 40, 50]))]


@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize(
    ("marks", "read", "kinds", "conflicts"),
    [
        ([JASON], (1, FOUND), {}, 0),
        ([BARE], (1, FOUND), {}, 0),
        (PAIR, (1, FOUND), {}, 0),
        ([JASON, TWO], (0, []), {"two names": 1}, 1),
        ([JASON, OUTLINE], (0, []), {"outline": 1}, 0),
        ([JASON, SMALL], (0, []), {"under a pixel": 1}, 0),
        ([JASON, {**JASON, "value": {**JASON["value"], "x": "left"}}], (0, []), {"no numbers": 1}, 0),
    ],
)
def test_what_marks_a_place_counts(
    world: Annotated, tmp_path: Path, marks: list[Any], read: Any, kinds: dict[str, int], conflicts: int, config: bool
) -> None:
    world.add(annotation(1, *marks))
    code, out = command(world, tmp_path, "coco", "--no-split", config=config)
    report = json.loads((out / "dinolabel.report").read_text())["report"]
    assert (code, coco(out)) == (0, read)
    assert (report["kinds"], report["negatives"], len(report["conflicts"])) == (kinds, 0, conflicts)
    assert report["undecided"] == report["left_out"] == len(report["unread"]) == sum(kinds.values())
    assert report["outside"] == kinds.get("under a pixel", 0)


@pytest.mark.parametrize("marks", [[OUTLINE], [TWO], [ELSE]])
@pytest.mark.parametrize("what", formats.names())
def test_a_picture_of_marks_that_are_not_used_is_no_negative(world: Annotated, tmp_path: Path, what: str, marks: list[Any]) -> None:
    """Nor is what was removed for them rejected; asked for, a picture without a box of ours stays out all the same."""
    world.add(annotation(1, *marks, shown=SHOWN))
    for more in ([], ["--undecided"]):
        code, out = command(world, tmp_path, what, *more)
        name = "report.json" if what == "crops" else "dinolabel.report"
        written = json.loads((out / name).read_text())
        report = written if what == "crops" else written["report"]
        assert code == 0 and (report["negatives"], report["rejected"], report["undecided"]) == (0, 0, 1)
        assert report["rows"] == (1 if what == "labelstudio" else 0)


@pytest.mark.parametrize("what", [*DETECTION, "csv", "xmp", "crops"])
def test_readable_boxes_of_an_undecided_picture(world: Annotated, tmp_path: Path, what: str) -> None:
    """Formats that say "nothing else is here" leave them out unless asked; crops and tables of boxes have them."""
    world.add(annotation(1, region("a", B, "jason"), OUTLINE, shown=SHOWN))
    world.add(annotation(2, JASON))
    rows = []
    for more in ({}, {"undecided": True}):
        found = formats.load(what).export(
            world.tasks, world.config, tmp_path / "out", open_image=world.open, find=world.find, wish=ExportOptions(**more)
        )
        rows.append(found.rows)
        assert (found.approved, found.rejected, found.undecided) == ({"jason": 2, "lacy": 0}, 0, 1)
    assert rows == ([1, 2] if what in DETECTION else [2, 2])


def test_what_was_not_used_is_said(world: Annotated, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 13):
        world.add(annotation(number, {**OUTLINE, "id": f"r{number}"}))
    code, _ = command(world, tmp_path, "coco")
    said = " ".join(capsys.readouterr().out.split())
    assert code == 0 and "undecided 12 pictures: outline 12" in said and "left out 12 pictures" in said
    assert "task 10, region r10: an outline of 'poly'" in said and "region r11" not in said and "and 2 more" in said


def test_csv_says_which_pictures_are_undecided(world: Annotated, tmp_path: Path) -> None:
    import csv

    world.add(annotation(1, JASON, OUTLINE))
    world.add(annotation(2, JASON))
    _, out = command(world, tmp_path, "csv")
    with (out / "boxes.csv").open(encoding="utf-8") as file:
        assert [(row["task"], row["state"]) for row in csv.DictReader(file)] == [("1", "undecided"), ("2", "looked at")]


EARS = '<RectangleLabels name="ears" toName="image" model_box_threshold="0.3"><Label value="ear"/></RectangleLabels></View>'


EAR_A, EAR_B = (("ear", pytest.approx([x, 10, width, 50])) for x, width in ((10, 40), (100, 50)))


@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize(
    ("more", "expected", "not_used"),
    [
        ([], (1, [EAR_A]), "a box of 'label', where boxes of 'ears' are read"),  # marked in the label config; most boxes without one
        (["--control", "ears"], (2, [EAR_B, EAR_A]), "a box of 'label', where boxes of 'ears' are read"),
        (["--control", "label"], (1, FOUND), "a box of 'ears', where boxes of 'label' are read"),
    ],
)
def test_two_controls(
    world: Annotated,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    expected: Any,
    not_used: str,
    config: bool,
) -> None:
    """The boxes of the one that a person asked for, also beside those of the other; a picture with only the other's is no negative."""
    world.add(annotation(1, JASON, {**region("e", B, "ear"), "from_name": "ears"}))
    world.add(annotation(2, ELSE))
    world.save(tmp_path / "export.json")
    (tmp_path / "two.xml").write_text(world.xml.replace("</View>", EARS))
    arguments = ["--from", str(tmp_path / "export.json"), "--media", str(world.folder), "--out", str(tmp_path / "out"), "--no-split", *more]
    settings = ["--label-config", str(tmp_path / "two.xml")] if config else []
    assert run(["export", "coco", *arguments, *settings]) == 0
    report = json.loads((tmp_path / "out/dinolabel.report").read_text())["report"]
    assert (coco(tmp_path / "out"), report["negatives"]) == (expected, 0)
    captured = capsys.readouterr()
    assert not_used in captured.out and "--control" in captured.err


@pytest.mark.parametrize("config", [True, False])
def test_a_control_that_is_not_there(world: Annotated, tmp_path: Path, capsys: pytest.CaptureFixture[str], config: bool) -> None:
    world.add(annotation(1, JASON))
    assert command(world, tmp_path, "coco", "--control", "nose", config=config)[0] != 0
    assert "'nose'" in (said := capsys.readouterr().err) and "'label'" in said


def moved(out: Path) -> list[dict[str, Any]]:
    """The tasks as another Label Studio has them after an import: no parent prediction, no times, new numbers."""
    tasks = json.loads((out / "tasks-00000.json").read_text())
    for number, task in enumerate(tasks, 1):
        task["id"] = number
        for at, each in enumerate(task["annotations"]):
            each |= {"id": 10 * number + at, "parent_prediction": None, "prediction": {}}
    return tasks


def test_labelstudio_loses_nothing_that_marks_a_place(world: Annotated, tmp_path: Path) -> None:
    world.add(annotation(1, OUTLINE))
    world.add(annotation(2, JASON, TWO, OUTLINE, SMALL))
    world.add(annotation(3, *PAIR))
    world.add(annotation(4, JASON), annotation(5, region("b", A, "lacy")))  # people disagree
    world.add(annotation(6))
    _, out = command(world, tmp_path, "labelstudio")
    tasks = moved(out)
    assert [[each["result"] for each in task["annotations"]] for task in tasks] == [
        [each["result"] for each in task["annotations"]] for task in world.tasks
    ]
    assert [review_by_policy(each, world.config).state() for each in tasks] == [
        review_by_policy(each, world.config).state() for each in world.tasks
    ]


def test_what_nobody_looked_at_stays_so_on_a_trip(world: Annotated, tmp_path: Path) -> None:
    """Also where the regions have no score, where there is none, and where Label Studio forgot the prediction."""
    made = [region("p", A, "jason", origin=None)]
    button: dict[str, Any] = {"lead_time": None}
    world.add(annotation(1, *made, shown=made, **button))
    world.add(annotation(2, shown=[], **button))
    world.add(annotation(3, {**made[0], "score": 0.5}, **button))
    world.add(annotation(4, JASON))
    _, out = command(world, tmp_path, "labelstudio", "--unverified")
    tasks = moved(out)
    assert [is_made_by_button(task["annotations"][0], task) for task in tasks] == [True, True, True, False]
    assert [[each.verdict for each in review_by_policy(task, world.config).boxes] for task in tasks] == [
        ["unverified"], [], ["unverified"], ["approved"],
    ]  # fmt: skip
    assert json.loads((out / "dinolabel.report").read_text())["report"]["unverified"] == 2


def test_an_imported_empty_picture_is_looked_at_beside_an_empty_prediction(
    world: Annotated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A button would have made the same of that prediction, but for the time that an import writes."""
    from dinolabel import factory
    from dinolabel.exporters.annotation_effort.counts import EffortCounts

    shelf = Shelf(tmp_path / "uploads")
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "studio", lambda settings: shelf)
    monkeypatch.setattr(factory, "media", lambda settings, **how: shelf)
    world.add(annotation(1))
    _, out = command(world, tmp_path, "coco", "--no-split")
    number = shelf.put(world.folder / "1.png")
    shelf.rows[number]["predictions"] = [{"id": 3, "result": []}]
    assert run(["import", "coco", str(out), "--project", "1", "--yes"]) == 0
    (task,) = shelf.rows.values()
    effort = EffortCounts()
    effort.add(task, world.config)
    assert (review_by_policy(task, world.config).state(), effort.imported, effort.answers) == ("looked at", 1, [])


def test_the_picture_of_a_forgotten_person_is_undecided(world: Annotated, tmp_path: Path) -> None:
    """Somebody is there, though nobody may say who: no negative, no rejected box, also after a trip to another project."""
    from dinolabel.erasure.registry import ErasureRegistry

    lacy, forgotten = region("b", B, "lacy"), ErasureRegistry(tmp_path)
    forgotten.add(1, ["jason"])
    world.add(annotation(1, JASON, shown=SHOWN))
    world.add(annotation(2, JASON, lacy))
    world.add(annotation(3, lacy))
    world.tasks = [forgotten.without(1, each) for each in world.tasks]
    reviews = [review_by_policy(each, world.config) for each in world.tasks]
    assert [each.state() for each in reviews] == ["undecided", "undecided", "looked at"]
    assert not any(each.verdict == "rejected" for one in reviews for each in one.boxes)
    _, out = command(world, tmp_path, "coco", "--no-split")
    assert coco(out) == (1, [("lacy", pytest.approx([100, 10, 50, 50]))])
    report = json.loads((out / "dinolabel.report").read_text())["report"]
    assert (report["negatives"], report["left_out"], report["kinds"]) == (0, 2, {"forgotten": 2})
    _, out = command(world, tmp_path, "labelstudio")
    tasks = moved(out)
    assert "jason" not in json.dumps(tasks)
    assert [review_by_policy(each, world.config).state() for each in tasks] == ["undecided", "looked at"]
