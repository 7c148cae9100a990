"""Imports: what each format reads, what becomes of it in a project, and that nothing is doubled or overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.exporters import formats, importers
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import regions
from tests.doubles.annotated import HEIGHT, WIDTH, Annotated, annotation, mixed, region, xml
from tests.doubles.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    shelf = Shelf(tmp_path / "uploads")
    monkeypatch.setattr(factory, "studio", lambda settings: shelf)
    monkeypatch.setattr(factory, "media", lambda settings, **how: shelf)
    return shelf


def write(world: Annotated, name: str, out: Path, **wish: Any) -> Path:
    formats.load(name).export(world.tasks, world.config, out, open_image=world.open, find=world.find, wish=ExportOptions(**wish))
    return out


def boxes(tasks: list[dict[str, Any]], config: LabelConfig, stem: Any) -> dict[str, list[tuple[Any, ...]]]:
    """label, corners and turn of each box, by picture; tasks that nobody answered are left out."""
    return {
        stem(task): [(each.label, each.box.xyxy, each.rotation) for each in regions(task["annotations"][0]["result"], config)]
        for task in tasks
        if task["annotations"] and not task["annotations"][0]["was_cancelled"]
    }


@pytest.mark.parametrize("split", [True, False])
def test_label_studio_to_coco_to_label_studio(shelf: Shelf, tmp_path: Path, split: bool) -> None:
    world = mixed(tmp_path / "pictures")
    out = write(world, "coco", tmp_path / "coco", split=split)
    assert run(["import", "coco", str(out), "--project", "1", "--yes"]) == 0
    before = boxes(world.tasks, world.config, lambda task: f"{task['id']}-{Path(original_name(task['data']['image'])).stem}")
    after = boxes(list(shelf.rows.values()), world.config, lambda task: Path(task["data"]["image"]).stem.split("-", 1)[1])
    assert set(after) == set(before) and len(before) == 5
    for name, expected in before.items():
        assert [label for label, _, _ in after[name]] == [label for label, _, _ in expected]
        for (_, box, turn), (_, true, true_turn) in zip(after[name], expected, strict=True):
            assert box == pytest.approx(true, abs=0.5)
            assert turn == pytest.approx(true_turn, abs=0.1)


def test_an_export_comes_back_to_its_own_tasks(shelf: Shelf, tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    out = write(world, "coco", tmp_path / "coco")
    shelf.rows = {each["id"]: {**each, "annotations": []} for each in world.tasks}
    shelf.rows[1]["annotations"] = [annotation(1, region("mine", (0, 0, 20, 20), "lacy"))]
    assert run(["import", "coco", str(out), "--project", "1", "--yes"]) == 0
    assert sorted(shelf.rows) == [1, 2, 3, 4, 5, 6]  # no task is doubled
    assert [each["id"] for each in shelf.rows[1]["annotations"][0]["result"]] == ["mine"]  # what a person made stays
    assert len(shelf.rows[2]["annotations"]) == 1


@pytest.mark.parametrize("name", ["coco", "yolo", "crops"])
def test_an_import_is_never_doubled(shelf: Shelf, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    world = mixed(tmp_path / "pictures")
    out = write(world, name, tmp_path / "out")
    command = ["import", name, str(out), "--project", "1", "--yes", *(["--media", str(world.folder)] if name == "crops" else [])]
    assert run(command) == 0
    first = json.dumps(shelf.rows)
    assert "Made" in capsys.readouterr().out
    assert run(command) == 0
    assert json.dumps(shelf.rows) == first
    assert "annotated already" in capsys.readouterr().out


def test_an_import_that_was_stopped_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    out = write(world, "coco", tmp_path / "coco")
    shelf.dies_after = 2
    command = ["import", "coco", str(out), "--project", "1", "--yes"]
    assert run(command) != 0
    assert sum(len(each["annotations"]) for each in shelf.rows.values()) == 2
    shelf.dies_after = None
    assert run(command) == 0
    assert [len(each["annotations"]) for each in shelf.rows.values()] == [1] * 5


def test_imported_boxes_are_approved_and_say_where_they_are_from(shelf: Shelf, tmp_path: Path) -> None:
    from dinolabel.exporters.annotation_effort.counts import EffortCounts
    from dinolabel.studio.reviews.decisions import reviewed_boxes

    world = mixed(tmp_path / "pictures")
    assert run(["import", "yolo", str(write(world, "yolo", tmp_path / "yolo")), "--project", "1", "--yes"]) == 0
    task = next(each for each in shelf.rows.values() if "3-3" in each["data"]["image"])
    assert [each.verdict for each in reviewed_boxes(task, world.config)] == ["approved", "approved"]
    notes = [each["meta"]["text"][0] for each in task["annotations"][0]["result"]]
    assert notes == [f"imported from yolo: yolo, 3-3.txt line {number}\n" for number in (1, 2)]
    effort = EffortCounts()
    effort.add(task, world.config)
    assert (effort.imported, effort.answers) == (1, [])  # nobody's work


def test_yolo_oriented_boxes_come_back_turned(shelf: Shelf, tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    out = write(world, "yolo", tmp_path / "yolo", oriented=True)
    assert run(["import", "yolo", str(out), "--project", "1", "--yes"]) == 0
    task = next(each for each in shelf.rows.values() if "2-x" in each["data"]["image"])
    (turned,) = task["annotations"][0]["result"]
    assert turned["value"]["rotation"] == pytest.approx(30, abs=0.1)


def test_a_folder_per_class(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("jason", "lacy"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        colour = (200, 20, 20) if name == "lacy" else (20, 20, 200)
        PIL.Image.new("RGB", (50, 40), colour).save(tmp_path / "faces" / name / "my photo.png")
    command = ["import", "crops", str(tmp_path / "faces"), "--project", "1", "--yes"]
    assert run(command) == 0 and run(command) == 0
    config = LabelConfig.parse(shelf.config)
    found = [regions(each["annotations"][0]["result"], config)[0] for each in shelf.rows.values()]
    assert [(each.label, each.box.xyxy) for each in found] == [("jason", (0, 0, 50, 40)), ("lacy", (0, 0, 50, 40))]


def test_labels_that_the_project_lacks_are_refused_before_anything_is_sent(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.config = xml("jason")
    out = write(mixed(tmp_path / "pictures"), "coco", tmp_path / "coco")
    assert run(["import", "coco", str(out), "--project", "1", "--yes"]) == 2
    assert "has no label 'lacy' or 'unknown'" in capsys.readouterr().err and not shelf.rows
    assert run(["import", "coco", str(out), "--project", "1", "--yes", "--rename", "lacy=jason", "--rename", "unknown=face"]) == 0
    labels = {
        name for each in shelf.rows.values() for one in each["annotations"][0]["result"] for name in one["value"].get("rectanglelabels", [])
    }
    assert labels == {"jason", "face"}


def test_a_dry_run_and_no_answer_send_nothing(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write(mixed(tmp_path / "pictures"), "coco", tmp_path / "coco")
    assert run(["import", "coco", str(out), "--project", "1", "--dry-run"]) == 0
    assert "Import 6 boxes" in capsys.readouterr().err and not shelf.rows
    assert run(["import", "coco", str(out), "--project", "1"]) == 2  # nobody is there to say yes
    assert not shelf.rows


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("coco", {"x.json": "[]"}, "There is no COCO file"),
        ("coco", {"annotations/a.json": "{"}, "cannot be read"),
        ("coco", {"annotations/a.json": '{"images": []}'}, "is no COCO detection file"),
        ("yolo", {"a.txt": ""}, "is no data.yaml"),
        ("yolo", {"data.yaml": "names: [a]\ntrain: images", "images/a.png": None, "labels/a.txt": "7 0.5 0.5 1 1"}, "makes no sense"),
        (
            "yolo",
            {"data.yaml": "names: [a]\ntrain: images", "images/a.png": None, "labels/a.txt": "0 1 1 1 1 1 1"},
            "no width or no height",
        ),
        ("crops", {"manifest.jsonl": "{}"}, "is no manifest of ours"),
        ("crops", {"manifest.jsonl": '{"format": 2}'}, "has format 2; this dinolabel reads 1"),
        ("crops", {"a.png": None}, "has no folder per class"),
        ("pdf", {}, "There is no import format 'pdf'"),
    ],
)
def test_what_cannot_be_read_says_why(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: dict[str, str | None], says: str
) -> None:
    for path, text in content.items():
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            PIL.Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "in" / path)
        else:
            (tmp_path / "in" / path).write_text(text)
    assert run(["import", name, str(tmp_path / "in"), "--project", "1", "--yes"]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_other_tools_coco_with_a_crowd_and_a_missing_picture(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in/images").mkdir(parents=True)
    PIL.Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "in/images/a.png")
    entry = {"image_id": 1, "category_id": 9, "iscrowd": 0, "bbox": [10, 10, 30, 20], "area": 600}
    images = [{"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT} for number, name in ((1, "a.png"), (2, "lost.png"))]
    content = {
        "images": images,
        "categories": [{"id": 9, "name": "jason"}],
        "annotations": [entry | {"id": 1}, entry | {"id": 2, "iscrowd": 1}],
    }
    (tmp_path / "in/x.coco.json").write_text(json.dumps(content))
    assert run(["import", "coco", str(tmp_path / "in/x.coco.json"), "--media", str(tmp_path / "in/images"), "--project", "1", "--yes"]) == 0
    (task,) = shelf.rows.values()
    assert len(task["annotations"][0]["result"]) == 1
    assert "lost.png" in capsys.readouterr().out


def test_formats_are_found_by_their_file_names() -> None:
    assert importers.names() == ["coco", "crops", "csv", "cvat", "hf", "labelme", "labelstudio", "parquet", "voc", "xmp", "yolo"]
