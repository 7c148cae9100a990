"""Our own exports come back: generated projects through every format, into their own tasks and into another project, and out again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.exporters import formats, importers
from dinolabel.exporters.importers.common.records import ImportedImage
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.report import boxes_to_export
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from tests.doubles.annotated import Annotated, annotation, region
from tests.doubles.shelf import Shelf

FORMATS = [
    ("coco", {}),
    ("coco", {"pictures": "none"}),
    ("yolo", {}),
    ("yolo", {"oriented": True}),
    ("yolo", {"pictures": "none"}),
    ("voc", {}),
    ("voc", {"pictures": "none"}),
    ("csv", {}),
    ("parquet", {}),
    ("parquet", {"pictures": "none"}),
    ("hf", {}),
    ("hf", {"pictures": "none"}),
    ("labelstudio", {}),
    ("crops", {}),
]
LABELS = ("jason", "lacy", "unknown", "Grüße, 写真 \"&<>'", "null", "=1+1", "00")
NAMES = ("one/x.png", "two/x.png", "!!!.jpg", "___.png", "Grüße 写真 (1).jpg", "a.b.c.png", "IMG 1 (2).jpg", "💥.png")
Truth = list[tuple[str | None, tuple[float, ...], bool, bool]]
"""label, corners, verified, rotated of each box."""


def every() -> Any:
    return pytest.mark.parametrize(("name", "wish"), FORMATS, ids=["-".join((name, *map(str, wish))) for name, wish in FORMATS])


def generated(folder: Path, seed: int) -> Annotated:
    """Sixteen pictures: named, generic, unknown and unlabelled boxes, turned, at edges, beyond them, tiny; several annotators who agree,
    add and contradict; buttons, skips and pictures left empty; two equal pictures."""
    rng, world = random.Random(seed), Annotated(folder, labels=LABELS)
    same = np.full((100, 200, 3), seed + 40, np.uint8)
    for number in range(16):
        width, height = (200, 100) if number in (3, 4) else rng.choice([(200, 100), (37, 211), (320, 240)])
        noise = np.random.default_rng(100 * seed + number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        name = NAMES[number] if number < len(NAMES) else f"{rng.choice(['a', 'b'])}/{number}.png"
        world.add(*_answers(rng, number, (width, height)), name=name, pixels=same if number in (3, 4) else noise)
    return world


def _answers(rng: random.Random, number: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    boxes = [_region(rng, f"r{number}-{at}", size) for at in range(rng.randrange(1, 4))]
    button = {"lead_time": None, "parent_prediction": 9}
    proposed = [{**each, "origin": None, "score": rng.random()} for each in boxes]
    contested = region("c", (1.0, 2.0, 30.0, 90.0), "jason", size=size)
    named = {**contested["value"], "rectanglelabels": ["lacy"]}
    return {
        0: [annotation(10, *boxes)],
        1: [annotation(10)],  # nothing here
        2: [annotation(10, was_cancelled=True)],
        5: [annotation(10, *proposed, **button)],
        6: [annotation(10, **button)],  # empty, and nobody looked
        7: [annotation(10, *boxes, who=1), annotation(11, *boxes, _region(rng, f"more{number}", size), who=2)],
        8: [annotation(10, *boxes), annotation(11, _region(rng, f"other{number}", size), who=2)],
        9: [annotation(10, *boxes), annotation(11, *({**each, "origin": None, "score": 0.5} for each in boxes), **button)],
        10: [],
        12: [annotation(10, contested), annotation(11, {**contested, "value": named}, who=2), annotation(12, *proposed, **button)],
        11: [annotation(10), annotation(11, *proposed, **button)],  # somebody: nothing here; a button: something
    }.get(number, [annotation(10, *boxes)])


def _region(rng: random.Random, identity: str, size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    kind = rng.choice(["plain", "plain", "edge", "beyond", "tiny", "turned", "whole"])
    x, y = rng.uniform(0, width - 12), rng.uniform(0, height - 12)
    across, down = rng.uniform(2, width - x), rng.uniform(2, height - y)
    box = {
        "edge": (0.0, y, across, y + down),
        "beyond": (x, y, width + 5.0, height + 7.0),
        "tiny": (round(x), round(y), round(x) + 1, round(y) + 1),
        "whole": (0.0, 0.0, float(width), float(height)),
    }.get(kind, (x, y, x + across, y + down))
    turn = rng.uniform(1, 359) if kind == "turned" else 0.0
    if turn:  # about its corner: from the middle, so that a part of it is in the picture
        box = (width / 2, height / 2, width / 2 + rng.uniform(4, width / 2), height / 2 + rng.uniform(4, height / 2))
    return region(identity, box, rng.choice([*LABELS, "face", None]), rotation=turn, size=size)


def truth(task: dict[str, Any], world: Annotated) -> Truth:
    """What people decided, and what buttons said, in the order of an export."""
    with PIL.Image.open(world.find(task["data"]["image"])) as picture:
        width, height = picture.size
    boxes = [
        each
        for each in boxes_to_export(review_by_policy(task, world.config), ExportOptions(unverified=True))
        if each.box.clip(width, height)
    ]
    return [(each.label, each.box.xyxy, each.verdict == "approved", each.quad is not None) for each in boxes]


def state(task: dict[str, Any], world: Annotated) -> str:
    return review_by_policy(task, world.config).state()


def leaves(task: dict[str, Any], world: Annotated) -> bool:
    """Whether the picture is in an export at all, and comes back with something said about it."""
    return bool(truth(task, world)) or state(task, world) == "looked at"


def comes_back_as(task: dict[str, Any], world: Annotated) -> str:
    """As it was; but a picture about which people only disagreed has nothing of theirs left."""
    return state(task, world) if state(task, world) == "looked at" or any(box[2] for box in truth(task, world)) else "untouched"


def wanted(world: Annotated, name: str) -> dict[int, Truth]:
    expected = {each["id"]: truth(each, world) for each in world.tasks if leaves(each, world)}
    if name != "crops":
        return expected
    approved = {task: [box for box in boxes if box[2]] for task, boxes in expected.items()}  # crops are of boxes, and are what is taught
    return {task: boxes for task, boxes in approved.items() if boxes}


def same(found: Truth, expected: Truth, *, within: float = 0.5) -> None:
    assert len(found) == len(expected)
    left = list(found)
    for label, box, verified, turned in expected:
        near = [each for each in left if (each[0], *each[2:]) == (label, verified, turned) and each[1] == pytest.approx(box, abs=within)]
        assert near, f"{(label, box, verified, turned)} is not among {left}"
        left.remove(near[0])


def write(world: Annotated, name: str, out: Path, **wish: Any) -> Path:
    formats.load(name).export(
        world.tasks,
        world.config,
        out,
        open_image=world.open,
        find=world.find,
        wish=ExportOptions(unverified=True, undecided=True, **wish),
        xml=world.xml,
    )
    return out


def arriving(name: str, out: Path, media: Path | None) -> list[ImportedImage]:
    return list(importers.load(name).read(out, media))


def boxes_of(each: ImportedImage) -> Truth:
    return [(box.label, box.box.xyxy, box.verified, box.quad is not None) for box in each.boxes]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    shelf = Shelf(tmp_path / "uploads")
    monkeypatch.setattr(factory, "studio", lambda settings: shelf)
    return shelf


def resolving(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[str], Path]) -> None:
    monkeypatch.setattr(factory, "media", lambda settings: SimpleNamespace(resolve=resolve))


@every()
@pytest.mark.parametrize("seed", range(2))
def test_an_export_is_read_as_it_was_decided(tmp_path: Path, name: str, wish: dict[str, Any], seed: int) -> None:
    world = generated(tmp_path / "pictures", seed)
    found = arriving(name, write(world, name, tmp_path / "out", **wish), world.folder)
    told = {each.task: boxes_of(each) for each in found if each.boxes or (each.looked_at and not each.unread)}
    expected = wanted(world, name)
    assert sorted(told, key=str) == sorted(expected, key=str)
    for task, boxes in expected.items():
        same(told[task], boxes, within=0.13 if name == "crops" else 0.01)
    undecided = [each["id"] for each in world.tasks if state(each, world) == "undecided"]
    assert {each.task for each in found if each.unread} == {*undecided} & (set(expected) if name == "crops" else {*undecided})


@every()
@pytest.mark.parametrize("seed", [0])
def test_an_export_comes_back_to_its_own_tasks(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wish: dict[str, Any], seed: int
) -> None:
    world = generated(tmp_path / "pictures", seed)
    out = write(world, name, tmp_path / "out", **wish)
    resolving(monkeypatch, world.find)
    shelf.config = world.xml
    shelf.rows = {each["id"]: {**each, "annotations": []} for each in world.tasks}
    assert run(["import", name, str(out), "--project", "1", "--yes"]) == 0
    assert sorted(shelf.rows) == [each["id"] for each in world.tasks]  # no second task
    expected = wanted(world, name)
    for task in shelf.rows.values():
        assert bool(task["annotations"]) == (task["id"] in expected)
        same(truth(task, world), expected.get(task["id"], []))
        if name != "crops":
            assert state(task, world) == (comes_back_as(world.tasks[task["id"] - 1], world) if task["id"] in expected else "untouched")
    again = Annotated(world.folder, labels=LABELS, tasks=[each for each in shelf.rows.values() if each["annotations"]])
    second = arriving(name, write(again, name, tmp_path / "again", **wish), world.folder)
    told = {each.task: boxes_of(each) for each in second}
    assert sorted(told, key=str) == sorted(expected, key=str)
    for number, boxes in expected.items():
        same(told[number], boxes)


@every()
def test_an_undecided_picture_comes_back_undecided(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wish: dict[str, Any]
) -> None:
    world = Annotated(tmp_path / "pictures")
    outline = {"id": "o", "from_name": "polygon", "to_name": "image", "type": "polygonlabels", "origin": "manual"}
    outline |= {"original_width": 200, "original_height": 100, "value": {"points": [[1, 1], [9, 1], [9, 9]], "polygonlabels": ["jason"]}}
    world.add(annotation(1, region("a", (10, 10, 50, 60), "jason"), outline))
    world.add(annotation(2, region("b", (10, 10, 50, 60), "lacy")))
    out = write(world, name, tmp_path / "out", **wish)
    found = sorted(arriving(name, out, world.folder), key=lambda each: each.task or 0)
    assert [[mark.kind for mark in each.unread] for each in found] == [["outline"], []]
    resolving(monkeypatch, world.find)
    shelf.config, shelf.rows = world.xml, {each["id"]: {**each, "annotations": []} for each in world.tasks}
    assert run(["import", name, str(out), "--project", "1", "--yes"]) == 0
    assert [state(each, world) for each in shelf.rows.values()] == ["undecided", "looked at"]
    assert [[label for label, *_ in truth(each, world)] for each in shelf.rows.values()] == [["jason"], ["lacy"]]


@every()
def test_an_export_goes_to_another_project(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wish: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world = generated(tmp_path / "pictures", 7)
    out = write(world, name, tmp_path / "out", **wish)
    resolving(monkeypatch, shelf.resolve)
    shelf.config = world.xml
    command = ["import", name, str(out), "--project", "1", "--yes", *(["--media", str(world.folder)] if _needs_media(name, wish) else [])]
    assert run(command) == 0
    expected = wanted(world, name)
    left = [(_sha(world.find(each["data"]["image"])), expected[each["id"]]) for each in world.tasks if each["id"] in expected]
    assert len(shelf.rows) == len(left)  # two equal pictures are two tasks
    placed = Annotated(shelf.folder, labels=LABELS, tasks=list(shelf.rows.values()))
    monkeypatch.setattr(placed, "find", shelf.resolve)
    for task in placed.tasks:
        found = truth(task, placed)
        digest = _sha(shelf.resolve(task["data"]["image"]))
        fitting = [each for each in left if (name == "voc" or each[0] == digest) and _is_same(found, each[1])]  # VOC's are JPEGs
        assert fitting, f"{task['data']}: {found}"
        left.remove(fitting[0])
    capsys.readouterr()
    assert run(command) == 0
    assert "annotated already" in capsys.readouterr().out and len(shelf.rows) == len(placed.tasks)


def _needs_media(name: str, wish: dict[str, Any]) -> bool:
    return name in ("crops", "labelstudio") or (wish.get("pictures") == "none" and name in ("coco", "yolo", "voc"))


def _is_same(found: Truth, expected: Truth) -> bool:
    try:
        same(found, expected)
    except AssertionError:
        return False
    return True


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
