"""What people trip over in exports, a row each."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.report import ExportReport, count
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.infer_config import infer_config
from dinolabel.vision.bundles.split import split_side
from dinolabel.vision.storage.spreadsheet import from_cell
from dinolabel.vision.types import Image
from tests.doubles.annotated import HEIGHT, WIDTH, Annotated, annotation, mixed, region, xml

HERE = Path(__file__).parents[2] / "fixtures"
A, NEAR_A, B = (10, 10, 50, 60), (12, 10, 52, 60), (120, 10, 160, 60)


def write(world: Annotated, name: str, out: Path, *, open_image: Any = None, **wish: Any) -> ExportReport:
    found = formats.load(name).export(
        world.tasks, world.config, out, open_image=open_image or world.open, find=world.find, wish=ExportOptions(**wish)
    )
    assert isinstance(found, ExportReport)
    return found


def table(out: Path) -> list[dict[str, str]]:
    import csv

    with (out / "boxes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return Annotated(tmp_path / "pictures")


JASON, LACY, B_LACY = region("a", A, "jason"), region("a", NEAR_A, "lacy"), region("b", B, "lacy")


@pytest.mark.parametrize(
    ("policy", "answers", "expected", "conflicts"),
    [
        ("agreed", [annotation(1, JASON), annotation(2, region("x", NEAR_A, "jason"), B_LACY)], ["1 jason", "2 lacy"], 0),
        ("agreed", [annotation(1, JASON), annotation(2, LACY, B_LACY)], ["2 lacy"], 1),
        ("latest", [annotation(1, JASON), annotation(2, LACY, B_LACY)], ["2 lacy", "2 lacy"], 0),
        ("latest", [annotation(1, JASON, updated_at="2026-12-01"), annotation(2, LACY)], ["1 jason"], 0),
        ("latest", [annotation(1, JASON), annotation(2, LACY, was_cancelled=True)], ["1 jason"], 0),
        ("all", [annotation(1, JASON), annotation(2, LACY, B_LACY)], ["1 jason", "2 lacy", "2 lacy"], 0),
        ("majority", [annotation(1, JASON), annotation(2, region("x", NEAR_A, "jason")), annotation(3, LACY, B_LACY)], ["1 jason"], 0),
        ("majority", [annotation(1, JASON), annotation(2, B_LACY)], [], 0),
        ("majority", [annotation(1, JASON), annotation(2, LACY)], [], 1),
        ("majority", [annotation(1, JASON)], ["1 jason"], 0),
    ],
)
def test_several_annotators(
    world: Annotated, tmp_path: Path, policy: str, answers: list[dict[str, Any]], expected: list[str], conflicts: int
) -> None:
    world.add(*answers)
    report = write(world, "csv", tmp_path / "out", annotators=policy)
    assert [f"{row['annotation']} {row['label']}" for row in table(tmp_path / "out") if row["label"]] == expected
    assert len(report.conflicts) == conflicts


def test_a_picture_about_which_people_disagree_is_no_negative(world: Annotated, tmp_path: Path) -> None:
    world.add(annotation(1, JASON), annotation(2, LACY))
    report = write(world, "csv", tmp_path / "out")
    assert (report.rows, report.negatives, report.sides) == (0, 0, {})


def test_who_looked_decides_what_a_picture_without_boxes_means(world: Annotated, tmp_path: Path) -> None:
    button = {"lead_time": None, "parent_prediction": 3}
    world.add()  # nobody
    world.add(annotation(2, was_cancelled=True))  # skipped
    world.add(annotation(3, {**region("a", A, "face"), "origin": None}, **button))  # made by a button
    world.add(annotation(4))  # somebody: nothing here
    report = write(world, "yolo", tmp_path / "out", split=False)
    assert [path.name for path in (tmp_path / "out/images/all").iterdir()] == ["4-4.png"]
    assert (report.negatives, report.skipped, report.unverified) == (1, 1, 1)
    write(world, "yolo", tmp_path / "out", split=False, unverified=True)
    assert sorted(path.name for path in (tmp_path / "out/images/all").iterdir()) == ["3-3.png", "4-4.png"]


HARD = ["a/b", "..", "CON", "😀", "x" * 300, "Jason", "jason", 'quo"te: #', "yes", "1.0", "<&>", "=1+1", "null", "a\u2028b"]


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "csv", "parquet", "hf", "xmp", "labelstudio"])
def test_labels_that_are_no_names_come_back_as_they_are(tmp_path: Path, name: str) -> None:
    world = Annotated(tmp_path / "pictures", labels=tuple(HARD), generic=None)
    world.add(*[annotation(1, *(region(f"r{at}", (5 * at, 0, 5 * at + 4, 50), label) for at, label in enumerate(HARD)))])
    write(world, name, tmp_path / "out", split=False)
    assert sorted(_labels(name, tmp_path / "out")) == sorted(HARD)
    files = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")]
    assert all(len(part.encode()) < 255 for each in files for part in each.split("/"))


def _labels(name: str, out: Path) -> list[str]:
    if name == "coco":
        file = json.loads((out / "annotations/instances.json").read_text())
        names = {each["id"]: each["name"] for each in file["categories"]}
        return [names[each["category_id"]] for each in file["annotations"]]
    if name == "yolo":
        import yaml

        names = yaml.safe_load((out / "data.yaml").read_text())["names"]
        return [names[int(line.split()[0])] for line in (out / "labels/all/1-1.txt").read_text().splitlines()]
    if name in ("voc", "xmp"):
        import xml.etree.ElementTree as ET

        root = ET.parse(next((out / "Annotations").iterdir()) if name == "voc" else next(out.rglob("*.xmp"))).getroot()
        found = [each.text or "" for each in root.iter("name")]
        return found or [value for each in root.iter() for key, value in each.attrib.items() if key.endswith("regions/}Name")]
    if name == "csv":
        import pandas as pd

        return [from_cell(each) for each in pd.read_csv(out / "boxes.csv", keep_default_na=False).label]
    if name == "parquet":
        import pyarrow.parquet as pq

        return [each["label"] for each in pq.read_table(out / "data").to_pylist()[0]["objects"]]
    if name == "hf":
        import datasets

        rows = datasets.load_from_disk(str(out))["train"]
        return [rows.features["objects"]["category"].feature.int2str(each) for each in rows[0]["objects"]["category"]]
    (task,) = json.loads((out / "tasks-00000.json").read_text())
    return [each["value"]["rectanglelabels"][0] for each in task["annotations"][0]["result"]]


@pytest.mark.parametrize(("generic", "expected"), [("face", ["face"]), (None, ["unlabelled"])])
def test_an_unlabelled_box_is_what_was_looked_for(tmp_path: Path, generic: str | None, expected: list[str]) -> None:
    world = Annotated(tmp_path / "pictures", labels=("jason",), generic=generic)
    world.add(annotation(1, region("a", A)))
    report = write(world, "coco", tmp_path / "out", split=False)
    assert (_labels("coco", tmp_path / "out"), report.unlabelled) == (expected, 1)


def test_classes_are_the_configs_whatever_the_boxes(world: Annotated, tmp_path: Path) -> None:
    for number, labels in enumerate((["lacy", "jason"], ["lacy"], [])):
        other = Annotated(tmp_path / f"{number}")
        other.add(annotation(1, *(region(f"{at}", (50 * at, 0, 50 * at + 40, 40), label) for at, label in enumerate(labels))))
        write(other, "yolo", tmp_path / f"out{number}")
    texts = {(tmp_path / f"out{number}/data.yaml").read_text() for number in range(3)}
    assert len(texts) == 1 and '1: "jason"' in texts.pop()


def test_equal_names_in_two_folders_stay_two(world: Annotated, tmp_path: Path) -> None:
    world.add(annotation(1, JASON), name="one/x.png")
    world.add(annotation(2, B_LACY), name="two/x.png")
    write(world, "yolo", tmp_path / "out", split=False)
    assert sorted(path.name for path in (tmp_path / "out/labels/all").iterdir()) == ["1-x.txt", "2-x.txt"]
    copied = {path.name: path.read_bytes() for path in (tmp_path / "out/images/all").iterdir()}
    assert copied == {"1-x.png": (world.folder / "one/x.png").read_bytes(), "2-x.png": (world.folder / "two/x.png").read_bytes()}


def test_a_group_is_on_one_side_for_ever(world: Annotated, tmp_path: Path) -> None:
    for number in range(24):
        world.add(annotation(number + 1, JASON), video=f"film {number % 6}", name=f"{number}.png")
    write(world, "csv", tmp_path / "out", group_by="video")
    sides = {(row["group"], row["split"]) for row in table(tmp_path / "out")}
    assert sides == {(name, "val" if split_side(name) == "held_out" else "train") for name in (f"film {number}" for number in range(6))}
    assert {each for _, each in sides} == {"train", "val"}
    world.tasks = world.tasks[5:9]
    write(world, "csv", tmp_path / "again", group_by="video")
    assert {(row["group"], row["split"]) for row in table(tmp_path / "again")} <= sides


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["b"], {"train": 1}),  # the hash says val
        (["b", "b"], {"train": 2}),
        (["b", "d"], {"train": 1, "val": 1}),  # both of val by their hash
        (["g", "a", "i", "g"], {"train": 3, "val": 1}),  # all of train
        (["a", "b"], {"train": 1, "val": 1}),
    ],
)
@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "csv", "parquet", "hf"])
def test_from_two_groups_on_no_side_is_empty(
    world: Annotated, tmp_path: Path, name: str, groups: list[str], expected: dict[str, int]
) -> None:
    """And a side without a picture is not there: readers open no list or table without a row."""
    for number, group in enumerate(groups, 1):
        world.add(annotation(number, JASON), video=group)
    out = tmp_path / "out"
    assert write(world, name, out, group_by="video").sides == expected
    files = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    places = {
        "coco": "annotations/instances_{}.json images/{}", "yolo": "images/{} labels/{}", "voc": "ImageSets/Main/{}.txt", "csv": "",
        "parquet": "data/{}-00000.parquet", "hf": "",
    }[name].split()  # fmt: skip
    for side in ("train", "val"):
        assert {each.format(side) in files for each in places} <= {side in expected}
    if name == "yolo":
        found = {path.parent.name: len(list(path.parent.iterdir())) for path in out.glob("images/*/*")}
        text = (out / "data.yaml").read_text()
        assert found == expected and all(f"{key}: images/{key if key in expected else 'train'}\n" in text for key in ("train", "val"))
    if name in ("parquet", "hf"):
        import datasets

        kept = datasets.load_from_disk(str(out)) if name == "hf" else datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
        assert {side: len(rows) for side, rows in kept.items()} == {side.replace("val", "validation"): n for side, n in expected.items()}


def test_equal_pictures_are_on_one_side(world: Annotated, tmp_path: Path) -> None:
    same = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for number in range(1, 9):
        world.add(annotation(number, JASON), pixels=same, name=f"copy {number}.png")
    write(world, "csv", tmp_path / "out")
    assert len({row["split"] for row in table(tmp_path / "out")}) == 1


@pytest.mark.parametrize(("form", "heeded"), [("jpeg", True), ("tiff", True), ("webp", False)])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif(world: Annotated, tmp_path: Path, turn: int, form: str, heeded: bool) -> None:
    """The dark corner of the picture as it is shown is in the box, for a reader that heeds no EXIF and for one that does, and in the
    sidecar's terms too. heeded: whether what the EXIF says is what is shown."""
    upright = np.full((HEIGHT, WIDTH, 3), 230, np.uint8)
    upright[0:50, 0:40] = 20
    stored = PIL.Image.fromarray(upright)
    undo = {} if not heeded else {2: (0,), 3: (3,), 4: (1,), 5: (5,), 6: (2,), 7: (6,), 8: (4,)}  # PIL.Image.Transpose values
    for step in undo.get(turn, ()):
        stored = stored.transpose(PIL.Image.Transpose(step))
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    raw = io.BytesIO()
    stored.save(raw, format=form, exif=exif, **({"quality": 95} if form == "jpeg" else {"lossless": True} if form == "webp" else {}))
    world.folder.mkdir()
    (world.folder / f"turned.{form}").write_bytes(raw.getvalue())
    world.add(annotation(1, region("a", (0, 0, 40, 50), "jason")), name=f"turned.{form}")
    write(world, "yolo", tmp_path / "out", split=False)
    with PIL.Image.open(next((tmp_path / "out/images/all").iterdir())) as copy:
        assert copy.getexif().get(0x0112, 1) == 1
        pixels = np.asarray(copy.convert("RGB"))  # as stored: no EXIF is heeded here
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels[5:45, 5:35].max() < 90 and pixels[60:, 60:].min() > 180
    write(world, "xmp", tmp_path / "sidecars")
    sidecar = next((tmp_path / "sidecars").rglob("*.xmp"))
    assert f"Orientation>{turn}<" in sidecar.read_text()
    area = _area(sidecar)
    lying = np.asarray(stored)
    x, y = int(area["x"] * lying.shape[1]), int(area["y"] * lying.shape[0])
    assert lying[y, x].max() < 90
    assert area["w"] * lying.shape[1] * area["h"] * lying.shape[0] == pytest.approx(40 * 50, rel=0.01)


def _area(path: Path) -> dict[str, float]:
    import xml.etree.ElementTree as ET

    (found,) = (each for each in ET.parse(path).getroot().iter() if each.tag.endswith("}Area"))
    return {key.split("}")[1]: float(value) for key, value in found.attrib.items() if not key.endswith("unit")}


def test_formats_that_few_open_are_written_anew(world: Annotated, tmp_path: Path) -> None:
    world.folder.mkdir()
    PIL.Image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30)).save(world.folder / "a.tiff")
    world.add(annotation(1, JASON), name="a.tiff")
    write(world, "yolo", tmp_path / "out", split=False)
    with PIL.Image.open(tmp_path / "out/images/all/1-a.jpg") as copy:
        assert (copy.format, copy.size) == ("JPEG", (WIDTH, HEIGHT))


@pytest.mark.parametrize("name", ["coco", "crops", "csv", "hf", "parquet", "voc", "xmp", "yolo"])
def test_a_bad_picture_costs_itself_only(world: Annotated, tmp_path: Path, name: str) -> None:
    world.add(annotation(1, JASON))
    world.add(annotation(2, JASON, B_LACY))
    (world.folder / "2.png").write_bytes(b"<!doctype html>")
    report = write(world, name, tmp_path / "out")
    assert [(each["task"], each["error"], each["boxes"]) for each in report.failed] == [(2, "MediaUnreadable", 2)]
    assert report.rows == 1


@pytest.mark.parametrize("name", ["coco", "crops", "csv", "parquet", "voc", "xmp", "yolo"])
def test_a_stopped_export_goes_on_and_ends_the_same(tmp_path: Path, name: str) -> None:
    world = mixed(tmp_path / "pictures")
    opened: list[str] = []

    def until(last: int) -> Any:
        def open_image(address: str) -> Image:
            if len(opened) == last:
                raise KeyboardInterrupt
            opened.append(address)
            return world.open(address)

        return open_image

    with pytest.raises(KeyboardInterrupt):
        write(world, name, tmp_path / "out", open_image=until(3))
    assert not (tmp_path / "out").exists()
    journal = tmp_path / ".out.unfinished" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])  # killed while it wrote a line
    (tmp_path / ".out.unfinished/whole/stray").write_text("of a task that is gone")
    with (tmp_path / ".out.unfinished/paths.jsonl").open("a") as noted:
        noted.write('"stray"\n')
    before, opened[:] = list(opened), []
    resumed = write(world, name, tmp_path / "out", open_image=until(99))
    assert not set(before[:2]) & set(opened[: len(before)]) or name == "parquet"  # parquet reads each picture's bytes at the end
    whole = write(world, name, tmp_path / "whole")
    assert resumed == whole
    assert _files(tmp_path / "out") == _files(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures", "whole"]


def test_other_choices_begin_anew(tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")

    def dies(address: str) -> Image:
        if address.endswith("3.png"):
            raise KeyboardInterrupt
        return world.open(address)

    with pytest.raises(KeyboardInterrupt):
        write(world, "csv", tmp_path / "out", open_image=dies)
    write(world, "csv", tmp_path / "out", split=False)
    assert {row["split"] for row in table(tmp_path / "out")} == {"all"}


def test_a_changed_annotation_is_read_again(tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")

    def dies(address: str) -> Image:
        if address.endswith("3.png"):
            raise KeyboardInterrupt
        return world.open(address)

    with pytest.raises(KeyboardInterrupt):
        write(world, "csv", tmp_path / "out", open_image=dies)
    world.tasks[1]["annotations"][0]["result"][0]["value"]["rectanglelabels"] = ["lacy"]
    write(world, "csv", tmp_path / "out")
    assert [row["label"] for row in table(tmp_path / "out") if row["task"] == "2"] == ["lacy"]


def test_an_export_at_the_same_time_works_in_a_folder_of_its_own(tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    inner: list[ExportReport] = []

    def busy(address: str) -> Image:
        if not inner:
            inner.append(ExportReport({}, 0, 0, 0, 0, 0, 0, 0))
            inner[0] = write(world, "csv", tmp_path / "out")
        return world.open(address)

    outer = write(world, "csv", tmp_path / "out", open_image=busy)
    assert inner == [outer]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures"]


def test_links_where_the_file_can_stay_as_it_is(world: Annotated, tmp_path: Path) -> None:
    world.add(annotation(1, JASON))
    write(world, "yolo", tmp_path / "linked", split=False, pictures="link")
    assert (tmp_path / "linked/images/all/1-1.png").stat().st_ino == (world.folder / "1.png").stat().st_ino
    write(world, "yolo", tmp_path / "none", split=False, pictures="none")
    assert not (tmp_path / "none/images").exists() and (tmp_path / "none/labels/all/1-1.txt").is_file()


@pytest.mark.parametrize("name", ["ls_export", "ls_export_unlabelled", "ls_export_geometry"])
@pytest.mark.parametrize("what", formats.names())
def test_recorded_exports(tmp_path: Path, name: str, what: str) -> None:
    """Pictures of the recorded sizes stand in for those of the recording."""
    tasks = json.loads((HERE / f"{name}.json").read_text())
    config = LabelConfig.parse(xml("cat", "dog", "bird", generic="object"))
    (tmp_path / "a.png").write_bytes(b"")

    def find(address: str) -> Path:
        path = tmp_path / Path(address).name
        if not path.exists():
            size = (480, 640) if "exif6" in address else (640, 480)
            PIL.Image.new("RGB", size, (90, 120, 30)).save(path)
        return path

    from dinolabel.vision.decoding.pictures import open_image

    report = formats.load(what).export(
        tasks, config, tmp_path / "out", open_image=lambda value: open_image(find(value)), find=find, wish=ExportOptions()
    )
    expected = count(tasks, config, ExportOptions())
    assert (report.approved, report.generic, report.skipped) == (expected.approved, expected.generic, expected.skipped)
    assert report.failed == () and report.rows > 0


def test_a_video_project_says_what_it_lacks() -> None:
    from dinolabel.vision.errors import LabelConfigError

    with pytest.raises(LabelConfigError, match="no rectangle"):
        infer_config(json.loads((HERE / "ls_export_video.json").read_text()))


def test_a_label_config_is_read_off_an_export() -> None:
    found = infer_config(json.loads((HERE / "ls_export.json").read_text()))
    assert (found.control, found.object_name, found.data_key) == ("label", "image", "image")
    assert found.labels == ("bird", "cat", "dog", "object") and found.generic == ()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_pictures_are_not_touched(tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    before = _files(world.folder)
    for name in formats.names():
        write(world, name, tmp_path / name)
        shutil.rmtree(tmp_path / name)
    assert _files(world.folder) == before
