"""Tables, tasks and YOLO files of ours after somebody worked on them: what a changed or damaged one says, and what it may not reach."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters import formats, importers
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.options import ExportOptions
from tests.doubles.annotated import Annotated, annotation, mixed, region

A = (10, 10, 50, 60)


def write(world: Annotated, name: str, out: Path, **wish: Any) -> Path:
    formats.load(name).export(world.tasks, world.config, out, open_image=world.open, find=world.find, wish=ExportOptions(**wish))
    return out


def arriving(name: str, path: Path, media: Path | None = None) -> dict[int | None, ImportedImage]:
    return {each.task: each for each in importers.load(name).read(path, media)}


def edited(out: Path, change: Any) -> Path:
    """boxes.csv with each row changed."""
    with (out / "boxes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(change({**row}) for row in rows)
    return out


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return mixed(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"x1": "left"}, "box"),
        ({"x1": ""}, "box"),
        ({"x1": "nan"}, "box"),
        ({"x2": "10"}, "box"),
        ({"x1": "900", "x2": "950"}, "outside"),
    ],
)
def test_a_row_that_cannot_be_used_leaves_its_picture_undecided(
    world: Annotated, tmp_path: Path, change: dict[str, str], kind: str
) -> None:
    out = edited(write(world, "csv", tmp_path / "out"), lambda row: row | (change if row["region"] == "b" else {}))
    found = arriving("csv", out)
    assert [each.label for each in found[1].boxes] == ["jason"] and [each.kind for each in found[1].unread] == [kind]
    assert not any(each.unread for task, each in found.items() if task != 1)


def test_a_table_that_a_spreadsheet_sorted_and_saved(world: Annotated, tmp_path: Path) -> None:
    out = write(world, "csv", tmp_path / "out")
    lines = (out / "boxes.csv").read_text(encoding="utf-8").splitlines()
    (out / "boxes.csv").write_text("\ufeff" + "\r\n".join([lines[0], *sorted(lines[1:], reverse=True)]) + "\r\n", encoding="utf-8")
    found = arriving("csv", out / "boxes.csv")
    assert {task: sorted(str(box.label) for box in each.boxes) for task, each in found.items()} == {
        1: ["jason", "lacy"], 2: ["jason"], 3: ["None", "face"], 4: [], 6: ["unknown"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a;b\n1;2\n", "lacks the column 'task'"),
        ("", "lacks the column 'task'"),
        ("task,image,sha256,width,height,label,x1,y1,x2,y2\n1,a.jpg,,wide,100,,,,,\n", "line 2"),
        ("task,image,sha256,width,height,label,x1,y1,x2,y2\none,a.jpg,,200,100,,,,,\n", "line 2"),
        (b"\x00\x01".decode(), "lacks the column"),
    ],
)
def test_a_table_that_is_none_of_ours_says_why(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "boxes.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ImportUnreadable, match=says):
        list(importers.load("csv").read(tmp_path, None))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("csv", None, "cannot be read"),
        ("parquet", None, "no Parquet file"),
        ("parquet", {"data/a.parquet": b"PAR1 no"}, "cannot be read"),
        ("hf", None, "no folder of load_from_disk"),
        ("hf", {"dataset_dict.json": b"{}"}, "no folder of load_from_disk"),
        ("labelstudio", None, "no task"),
        ("labelstudio", {"a.json": b"[{}]"}, "no JSON export"),
        ("labelstudio", {"a.json": b'[{"image": "/a.jpg", "id": 1, "label": []}]'}, "no JSON export"),  # JSON-MIN
        ("labelstudio", {"tasks-00000.json": b"["}, "cannot be read"),
        ("yolo", {"data.yaml": b"names: [a]", "dinolabel-pictures.json": b"[7]"}, "no list of pictures"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: dict[str, bytes] | None, says: str) -> None:
    for path, data in (content or {}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    with pytest.raises(ImportUnreadable, match=says):
        list(importers.load(name).read(tmp_path, None))


def test_a_table_of_other_columns_is_none_of_ours(tmp_path: Path) -> None:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "hf")
    for name, path in (("parquet", tmp_path), ("hf", tmp_path / "hf")):
        with pytest.raises(ImportUnreadable, match="lacks the column 'image'"):
            list(importers.load(name).read(path, None))


def test_a_table_reaches_no_other_file_of_the_machine(world: Annotated, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    shutil.copy(world.find("6.png"), secret)
    out = edited(write(world, "csv", tmp_path / "out"), lambda row: row | {"file": str(secret)})
    assert [task for task, each in arriving("csv", out).items() if each.file] == [6]  # of which the table knows what is in it
    assert not any(each.file for each in arriving("csv", edited(out, lambda row: row | {"sha256": ""})).values())


@pytest.mark.parametrize(
    ("address", "expected"), [("/data/upload/1/27b53085-my_face.PNG", "my_face.PNG"), ("/data/upload/1/27b53085-.jpg", "picture.jpg")]
)
def test_a_file_fetched_from_label_studio_is_sent_under_its_name(world: Annotated, tmp_path: Path, address: str, expected: str) -> None:
    kept = tmp_path / "media" / "0123abcd"
    kept.parent.mkdir()
    shutil.copy(world.find("6.png"), kept)
    out = edited(write(world, "csv", tmp_path / "out"), lambda row: row | {"file": str(kept), "image": address})
    (found,) = [each for each in arriving("csv", out).values() if each.file]
    assert found.file is not None and (found.file.name, _sha(found.file)) == (expected, _sha(kept))


@pytest.mark.parametrize("name", ["csv", "parquet", "hf"])
def test_pictures_that_moved_are_found_by_content(world: Annotated, tmp_path: Path, name: str) -> None:
    out = write(world, name, tmp_path / "out", pictures="none")
    moved = tmp_path / "moved"
    moved.mkdir()
    for number, file in enumerate(sorted(world.folder.rglob("*.png"))):
        shutil.copy(file, moved / f"{number}.png")
    shutil.rmtree(world.folder)
    assert name == "hf" or not any(each.file for each in arriving(name, out).values())  # the library takes pictures in
    found = arriving(name, out, moved)
    assert len(found) == 5 and all(each.file and _sha(each.file) == each.sha256 for each in found.values())


def test_a_line_that_somebody_changed_since_counts_as_it_is_now(world: Annotated, tmp_path: Path) -> None:
    out = write(world, "yolo", tmp_path / "out", split=False)
    lines = out / "labels/all/3-3.txt"
    first, second = lines.read_text().splitlines()
    assert [each.label for each in arriving("yolo", out)[3].boxes] == ["face", None]
    lines.write_text(f"{first}\n{second.split()[0]} 0.5 0.2 0.2 0.4\n")
    changed = arriving("yolo", out)[3]
    assert [each.label for each in changed.boxes] == ["face", "face"] and changed.boxes[1].box.xyxy == pytest.approx((80, 0, 120, 40))
    lines.write_text(f"{second}\n")
    assert [each.label for each in arriving("yolo", out)[3].boxes] == ["face"]  # a box fewer: which one, nobody knows


def test_a_picture_taken_out_of_a_yolo_folder_stays_out(world: Annotated, tmp_path: Path) -> None:
    out = write(world, "yolo", tmp_path / "out", split=False)
    (out / "images/all/3-3.png").unlink()
    (out / "labels/all/3-3.txt").unlink()
    assert sorted(arriving("yolo", out), key=str) == [1, 2, 4, 6]


def test_a_side_without_pictures_is_no_hindrance(tmp_path: Path) -> None:
    world = Annotated(tmp_path / "pictures")
    world.add(annotation(1, region("a", A, "jason")))
    for name in ("hf", "parquet"):
        assert len(arriving(name, write(world, name, tmp_path / name))) == 1


def test_label_studios_own_json(tmp_path: Path) -> None:
    """As its Export button gives it: who approved what, turned boxes, skipped and unanswered tasks, without our label config."""
    world = mixed(tmp_path / "pictures")
    shown = [region("p", A, "jason", origin=None, score=0.5)]
    world.add(annotation(7, *shown, lead_time=None, parent_prediction=3), name="7.png")
    world.add(name="8.png")
    found = arriving("labelstudio", world.save(tmp_path / "export.json"), world.folder)
    assert sorted(found, key=str) == [1, 2, 3, 4, 6, 7]
    assert [(each.label, each.verified, each.score) for each in found[7].boxes] == [("jason", False, 0.5)] and not found[7].looked_at
    assert found[2].boxes[0].quad is not None and found[4].boxes == () and found[4].looked_at
    assert [each.label for each in found[3].boxes] == ["face", None]


def test_a_box_that_people_named_differently_leaves_its_picture_undecided(tmp_path: Path) -> None:
    world = Annotated(tmp_path / "pictures")
    other = region("b", (120, 10, 160, 60), "lacy")
    world.add(annotation(1, region("a", A, "jason"), other), annotation(2, region("a", A, "lacy"), other, who=2))
    found = arriving("labelstudio", world.save(tmp_path / "export.json"))[1]
    assert [each.label for each in found.boxes] == ["lacy"] and [each.kind for each in found.unread] == ["people disagree"]


def test_a_size_from_before_a_turn_moves_no_box(tmp_path: Path) -> None:
    """Regions are shares of what was shown; where the picture is at hand, it says how large that is."""
    world = Annotated(tmp_path / "pictures")
    stored = region("a", (10, 20, 50, 100), "jason", size=(100, 200))
    world.add(annotation(1, stored))
    (box,) = arriving("labelstudio", world.save(tmp_path / "export.json"), world.folder)[1].boxes
    assert box.box.xyxy == pytest.approx((20, 10, 100, 50))


def test_json_of_label_studio_keeps_no_names_of_its_own(tmp_path: Path) -> None:
    """A task of ours goes by its number there, not by the one that Label Studio gave it since."""
    world = Annotated(tmp_path / "pictures")
    world.add(annotation(1, region("a", A, "jason")))
    out = write(world, "labelstudio", tmp_path / "out")
    tasks = json.loads((out / "tasks-00000.json").read_text())
    (out / "tasks-00000.json").write_text(json.dumps([each | {"id": 900} for each in tasks]))
    assert list(arriving("labelstudio", out)) == [1]


@pytest.mark.parametrize("label", ["=1+1", "@SUM(A1)", "-tom", "+tom", "'=1"])
def test_a_label_is_no_formula_in_the_table_and_itself_when_it_comes_back(tmp_path: Path, label: str) -> None:
    world = Annotated(tmp_path / "pictures", labels=(label,))
    world.add(annotation(1, region("r", A, label)))
    out = write(world, "csv", tmp_path / "out")
    with (out / "boxes.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["label"] == f"'{label}"
    assert [each.label for each in arriving("csv", out)[1].boxes] == [label]


@pytest.mark.parametrize("odd", [5, True, "x", {"a": 1}])
def test_an_answer_that_is_no_list_costs_its_own_picture_only(world: Annotated, tmp_path: Path, odd: Any) -> None:
    out = write(world, "labelstudio", tmp_path / "out")
    file = next(each for each in out.glob("*.json") if each.read_text().startswith("["))
    tasks = json.loads(file.read_text())
    tasks[0]["annotations"][0]["result"] = odd
    file.write_text(json.dumps(tasks))
    found = arriving("labelstudio", out, tmp_path / "pictures")
    assert len(found) >= len(tasks) - 2 and all(each.boxes for task, each in found.items() if task in (2, 3))
