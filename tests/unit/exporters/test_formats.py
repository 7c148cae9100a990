"""Each format, read back by the reader that people use for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.report import ExportReport
from tests.doubles.annotated import HEIGHT, WIDTH, Annotated, annotation, corners, mixed, region

HULL = (90 - 10.0, 20.0, 90 + 34.641, 20 + 37.3205)  # of (90, 20, 130, 40) turned by 30 degrees about its corner
EXPECTED = {
    # task: label and box of each, pixels xyxy of the upright picture
    1: [("jason", (10, 10, 50, 60)), ("lacy", (104.5, 22.25, 154.5, 72.25))],
    2: [("jason", HULL)],
    3: [("face", (0, 0, 40, 40)), ("face", (60, 0, 100, 40))],
    4: [],
    6: [("unknown", (150, 50, 200, 100))],
}


def write(world: Annotated, name: str, out: Path, **wish: Any) -> ExportReport:
    found = formats.load(name).export(
        world.tasks, world.config, out, open_image=world.open, find=world.find, wish=ExportOptions(**wish), xml=world.xml
    )
    assert isinstance(found, ExportReport)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return mixed(tmp_path / "pictures")


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_coco_as_pycocotools_reads_it(world: Annotated, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    report = write(world, "coco", tmp_path / "out")
    read: dict[int, list[tuple[str, list[float]]]] = {}
    for side in ("train", "val"):
        coco = COCO(str(tmp_path / "out" / "annotations" / f"instances_{side}.json"))
        assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["face", "jason", "lacy", "unknown"]
        for image in coco.loadImgs(coco.getImgIds()):
            found = coco.loadAnns(coco.getAnnIds(image["id"]))
            read[image["id"]] = [(coco.cats[each["category_id"]]["name"], each["bbox"]) for each in found]
            with PIL.Image.open(tmp_path / "out" / "images" / side / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"]) == (WIDTH, HEIGHT)
            for each in (
                one for one in found if one["attributes"]["rotated"]
            ):  # the mask that the corners make has the area that is written
                assert coco.annToMask(each).sum() == pytest.approx(each["area"], rel=0.15)
    assert {task: [label for label, _ in boxes] for task, boxes in read.items()} == {
        task: [label for label, _ in boxes] for task, boxes in EXPECTED.items()
    }
    for task, boxes in EXPECTED.items():
        for (_, (x1, y1, x2, y2)), (_, box) in zip(boxes, read[task], strict=True):
            assert box == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.01)
    assert (report.rows, report.negatives, report.skipped, report.images) == (6, 1, 1, 5)


def test_coco_keeps_the_corners_of_a_rotated_box(world: Annotated, tmp_path: Path) -> None:
    write(world, "coco", tmp_path / "out", split=False)
    file = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())
    (turned,) = (each for each in file["annotations"] if each["attributes"]["rotated"])
    expected = [number for corner in corners((90, 20, 130, 40), 30) for number in corner]
    assert turned["segmentation"][0] == pytest.approx(expected, abs=1e-6)
    assert turned["area"] == pytest.approx(40 * 20)
    upright = [each for each in file["annotations"] if each is not turned]
    assert all(each["segmentation"] == [] and "score" not in each["attributes"] for each in upright)  # an outline is a second object
    assert upright[0]["area"] == pytest.approx(40 * 50)


def test_yolo_as_supervision_reads_it(world: Annotated, tmp_path: Path) -> None:
    import supervision as sv

    write(world, "yolo", tmp_path / "out")
    read: dict[int, Any] = {}
    for side in ("train", "val"):
        found = sv.DetectionDataset.from_yolo(
            str(tmp_path / "out" / "images" / side), str(tmp_path / "out" / "labels" / side), str(tmp_path / "out" / "data.yaml")
        )
        assert found.classes == ["face", "jason", "lacy", "unknown"]
        read |= {int(Path(path).name.split("-")[0]): detections for path, _, detections in found}
    assert set(read) == set(EXPECTED)
    assert (tmp_path / "out/classes.txt").read_text().splitlines() == ["face", "jason", "lacy", "unknown"]
    for task, boxes in EXPECTED.items():
        assert read[task].xyxy == pytest.approx(np.array([box for _, box in boxes]).reshape(-1, 4), abs=0.01)
        assert [("face", "jason", "lacy", "unknown")[number] for number in read[task].class_id] == [label for label, _ in boxes]


def test_yolo_oriented_as_supervision_reads_it(world: Annotated, tmp_path: Path) -> None:
    import supervision as sv

    write(world, "yolo", tmp_path / "out", oriented=True, split=False)
    place = tmp_path / "out"
    found = sv.DetectionDataset.from_yolo(str(place / "images/all"), str(place / "labels/all"), str(place / "data.yaml"), is_obb=True)
    by_task = {int(Path(path).name.split("-")[0]): detections for path, _, detections in found}
    assert by_task[2].data["xyxyxyxy"][0] == pytest.approx(np.array(corners((90, 20, 130, 40), 30)), abs=0.01)
    assert by_task[1].data["xyxyxyxy"][0] == pytest.approx(np.array([(10, 10), (50, 10), (50, 60), (10, 60)]), abs=0.01)


def test_voc_as_supervision_reads_it(world: Annotated, tmp_path: Path) -> None:
    import supervision as sv

    write(world, "voc", tmp_path / "out")
    found = sv.DetectionDataset.from_pascal_voc(str(tmp_path / "out" / "JPEGImages"), str(tmp_path / "out" / "Annotations"))
    read = {int(Path(path).name.split("-")[0]): detections for path, _, detections in found}
    assert set(read) == set(EXPECTED)
    for task, boxes in EXPECTED.items():
        assert sorted(found.classes[number] for number in read[task].class_id) == sorted(label for label, _ in boxes)
        assert read[task].xyxy == pytest.approx(np.array([box for _, box in boxes]).reshape(-1, 4), abs=1.01)
    lists = {side: (tmp_path / f"out/ImageSets/Main/{side}.txt").read_text().split() for side in ("train", "val", "trainval")}
    assert {path.suffix for path in (tmp_path / "out/JPEGImages").iterdir()} == {".jpg"}  # torchvision opens nothing else
    assert (tmp_path / "out/labelmap.txt").read_text().splitlines()[1:] == ["face:::", "jason:::", "lacy:::", "unknown:::"]
    assert sorted(lists["train"] + lists["val"]) == sorted(lists["trainval"]) == ["1-x", "2-x", "3-3", "4-4", "6-6"]


def test_csv_as_pandas_reads_it(world: Annotated, tmp_path: Path) -> None:
    import pandas as pd

    write(world, "csv", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "boxes.csv")
    for task, boxes in EXPECTED.items():
        rows = table[(table.task == task) & table.label.notna()]
        assert list(rows.label) == [label for label, _ in boxes]
        assert rows[["x1", "y1", "x2", "y2"]].to_numpy() == pytest.approx(np.array([box for _, box in boxes]).reshape(-1, 4), abs=0.01)
    assert len(table[table.task == 4]) == 1  # people said: nothing here
    assert list(table[table.given_label.isna() & table.label.notna()].region) == ["u"]
    first = table[table.region == "a"].iloc[0]
    assert (first.origin, first.model_version, first.annotator, first.image) == (
        "prediction-changed", "gdino-tiny.a1b2c3", 1, "/data/local-files/?d=one/x.png",
    )  # fmt: skip
    quad = [float(number) for number in table[table.quad.notna()].quad.iloc[0].split()]
    assert quad == pytest.approx([number for corner in corners((90, 20, 130, 40), 30) for number in corner], abs=1e-3)


def test_parquet_as_pyarrow_pandas_and_datasets_read_it(world: Annotated, tmp_path: Path) -> None:
    import datasets
    import pandas as pd
    import pyarrow.parquet as pq

    write(world, "parquet", tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "data")
    frame = pd.concat(pd.read_parquet(path) for path in sorted((tmp_path / "out" / "data").iterdir()))
    assert table.num_rows == len(frame) == len(EXPECTED)
    for row in table.to_pylist():
        expected = EXPECTED[row["task"]]
        assert [each["label"] for each in row["objects"]] == [label for label, _ in expected]
        for each, (_, box) in zip(row["objects"], expected, strict=True):
            assert each["bbox"] == pytest.approx(box, abs=0.01)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))  # by the card's header
    assert {side: len(rows) for side, rows in loaded.items()} == {
        "train": sum(frame.split == "train"),
        "validation": sum(frame.split == "val"),
    }
    assert loaded["train"][0]["image"].size == (WIDTH, HEIGHT)


def test_parquet_is_sharded(world: Annotated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    from dinolabel.exporters.formats import parquet

    monkeypatch.setattr(parquet, "SHARD_BYTES", 1000)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    write(world, "parquet", tmp_path / "out", split=False)
    shards = sorted((tmp_path / "out" / "data").iterdir())
    assert [each.name for each in shards] == [f"pictures-{number:05}.parquet" for number in range(5)]
    assert pq.read_table(tmp_path / "out" / "data")["task"].to_pylist() == [1, 2, 3, 4, 6]


def test_hf_as_load_from_disk_reads_it(world: Annotated, tmp_path: Path) -> None:
    import datasets

    write(world, "hf", tmp_path / "out")
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    labels = loaded["train"].features["objects"]["category"].feature
    assert labels.names == ["face", "jason", "lacy", "unknown"]
    assert loaded["train"].features["objects"]["label"].feature == labels
    rows = {row["task"]: row for side in ("train", "validation") for row in loaded[side]}
    assert set(rows) == set(EXPECTED)
    for task, boxes in EXPECTED.items():
        objects = rows[task]["objects"]
        assert [labels.int2str(each) for each in objects["category"]] == [label for label, _ in boxes]
        for found, (_, (x1, y1, x2, y2)) in zip(objects["bbox"], boxes, strict=True):
            assert found == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.01)
        assert (rows[task]["image_id"], rows[task]["width"], rows[task]["height"]) == (task, WIDTH, HEIGHT)
        assert np.array_equal(np.asarray(rows[task]["image"].convert("RGB")), world.open(rows[task]["address"]).pixels)

    assert sorted(each for row in rows.values() for each in row["objects"]["id"]) == [1, 2, 3, 4, 5, 6]
    assert rows[2]["objects"]["area"] == [pytest.approx(40 * 20)]


def test_crops_as_imagefolder_reads_them(world: Annotated, tmp_path: Path) -> None:
    import datasets

    formats.load("crops").export(world.tasks, world.config, tmp_path / "out", open_image=world.open, find=world.find)
    loaded = datasets.load_dataset(str(tmp_path / "out" / "crops"), cache_dir=str(tmp_path / "cache"))
    rows = [row for side in loaded.values() for row in side]
    assert sorted((row["label"], row["view"]) for row in rows) == [("jason", "person"), ("jason", "person"), ("lacy", "person")]
    assert all(row["image"].size[0] == row["image"].size[1] for row in rows)


def exiftool(folder: str, place: Path) -> dict[str, Any]:
    command = ["exiftool", "-json", "-struct", "-r", "-ext", "xmp", folder]
    said = subprocess.run(command, cwd=place, capture_output=True, check=True).stdout
    return {each["SourceFile"]: each for each in json.loads(said)}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="apt-get install libimage-exiftool-perl")
def test_xmp_as_exiftool_reads_it(world: Annotated, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in world.folder.rglob("*.png")}
    write(world, "xmp", tmp_path / "out")
    assert {path: path.read_bytes() for path in world.folder.rglob("*.png")} == before
    said = subprocess.run(
        ["exiftool", "-json", "-struct", "-r", "-ext", "xmp", "out"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    read = {each["SourceFile"]: each for each in json.loads(said)}
    assert sorted(read) == [f"out/{name}.png.xmp" for name in ("3", "4", "6", "one/x", "two/x")]
    one = read["out/one/x.png.xmp"]
    assert one["RegionInfo"]["AppliedToDimensions"] == {"H": HEIGHT, "W": WIDTH, "Unit": "pixel"}
    assert [(each["Name"], each["Type"]) for each in one["RegionInfo"]["RegionList"]] == [("jason", "Face"), ("lacy", "Face")]
    area = one["RegionInfo"]["RegionList"][0]["Area"]
    assert {name: area[name] for name in "XYWH"} == pytest.approx({"X": 0.15, "Y": 0.35, "W": 0.2, "H": 0.5}, abs=1e-5)
    assert sorted(one["Subject"]) == ["jason", "lacy"]
    assert "Name" not in read["out/3.png.xmp"]["RegionInfo"]["RegionList"][0]  # a face that nobody named
    assert "Error" not in json.dumps(read) and "Warning" not in json.dumps(read)


def test_labelstudio_tasks_keep_their_regions_letter_by_letter(world: Annotated, tmp_path: Path) -> None:
    choice = {"id": "a", "from_name": "mood", "to_name": "image", "type": "choices", "value": {"choices": ["glad"]}}
    world.tasks[0]["annotations"][0]["result"].append(choice)
    write(world, "labelstudio", tmp_path / "out")
    tasks = json.loads((tmp_path / "out" / "tasks-00000.json").read_text())
    assert [each["meta"]["dinolabel"]["task"] for each in tasks] == [1, 2, 3, 4, 6]
    kept = {each["meta"]["dinolabel"]["task"]: each["annotations"][0]["result"] for each in tasks}
    assert kept == {each["id"]: each["annotations"][0]["result"] for each in world.tasks if each["id"] != 5}
    assert tasks[0]["predictions"][0]["model_version"] == "gdino-tiny.a1b2c3"
    assert (tmp_path / "out" / "label_config.xml").read_text() == world.xml


def test_labelstudio_tasks_come_in_files_of_a_thousand(tmp_path: Path) -> None:
    world = Annotated(tmp_path / "pictures")
    world.tasks = [
        {"id": number, "data": {"image": f"{number}.png"}, "annotations": [annotation(number, region("a", (0, 0, 9, 9), "jason"))]}
        for number in range(1, 2002)
    ]
    write(world, "labelstudio", tmp_path / "out")
    files = sorted((tmp_path / "out").glob("tasks-*.json"))
    assert [len(json.loads(each.read_text())) for each in files] == [1000, 1000, 1]


@pytest.mark.parametrize("name", sorted(set(formats.names()) - {"crops"}))
def test_nothing_decided_is_an_empty_export(name: str, tmp_path: Path) -> None:
    world = Annotated(tmp_path / "pictures")
    world.add()
    world.add(annotation(1, region("a", (0, 0, 9, 9), "jason"), was_cancelled=True))
    report = write(world, name, tmp_path / "out")
    assert (report.rows, report.negatives, report.skipped) == (0, 0, 1)
    assert json.loads((tmp_path / "out" / "dinolabel.report").read_text())["format"] == name
