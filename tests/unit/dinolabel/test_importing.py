"""`dinolabel import` on data sets that can be read in part only, or not at all: what it says, sends and answers the shell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.studio.reviews.annotations import PARTLY
from tests.doubles.annotated import xml
from tests.doubles.shelf import Shelf

IMAGES = [{"id": number, "file_name": f"{name}.png", "width": 96, "height": 64} for number, name in enumerate("abc", 1)]
ENTRY: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 6, 32, 24]}
COMMAND = ["--project", "1", "--yes"]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    shelf = Shelf(tmp_path / "uploads")
    monkeypatch.setattr(factory, "studio", lambda settings: shelf)
    monkeypatch.setattr(factory, "media", lambda settings: shelf)
    return shelf


def coco(folder: Path, entries: list[dict[str, Any]], images: list[dict[str, Any]] = IMAGES) -> str:
    folder.mkdir(exist_ok=True)
    for at, image in enumerate(images):
        PIL.Image.new("RGB", (96, 64), (40 * (at % 6), 90, at)).save(folder / image["file_name"])
    content = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "jason"}]}
    (folder / "x.json").write_text(json.dumps(content))
    return str(folder)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.err + captured.out).split())


def answers(shelf: Shelf) -> dict[str, list[Any]]:
    """By picture, the results of the annotations that it has."""
    return {task["data"]["image"].split("-", 1)[1]: [each["result"] for each in task["annotations"]] for task in shelf.rows.values()}


def test_undecided_pictures_are_counted_and_named(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [ENTRY, ENTRY | {"id": 2, "bbox": []}, ENTRY | {"id": 3, "image_id": 2, "category_id": 9}]
    assert run(["import", "coco", coco(tmp_path / "in", entries), *COMMAND]) == 0
    found = answers(shelf)
    (partly,) = found["a.png"]
    notes = [each["meta"]["text"] for each in partly]
    assert notes == [["imported from coco: in, annotation 1\n", f"{PARTLY}: box 1 could not be read"]]
    assert found["b.png"] == []  # its task waits: nobody said that nothing is there
    assert found["c.png"] == [[]]  # the file lists it, and marks nothing in it
    words = said(capsys)
    assert "undecided 2 pictures: box 1, unknown category 1 could not be read" in words
    assert "empty 1 picture: nothing is in them" in words
    assert "undecided a.png: annotation 2: it has no bbox and no outline that could be used" in words
    assert "nobody decided it; open it in Label Studio b.png: annotation 3: its category 9 is not listed" in words
    assert "Made 2 annotations." in words


def test_a_second_run_leaves_an_undecided_task_as_it_is(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = coco(tmp_path / "in", [ENTRY, ENTRY | {"id": 3, "image_id": 2, "bbox": [1, 2]}])
    assert run(["import", "coco", path, *COMMAND]) == 0
    before = json.dumps(shelf.rows)
    assert run(["import", "coco", path, *COMMAND]) == 0
    assert json.dumps(shelf.rows) == before and "Made 0 annotations." in said(capsys)


def test_only_ten_are_listed(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [{**IMAGES[0], "id": number, "file_name": f"{number}.png"} for number in range(1, 14)]
    entries = [ENTRY, *(ENTRY | {"id": number, "image_id": number, "bbox": None} for number in range(2, 14))]
    assert run(["import", "coco", coco(tmp_path / "in", entries, images), *COMMAND, "--dry-run"]) == 0
    words = said(capsys)
    assert words.count("nobody decided it") == 11 and "and 2 more" in words and not shelf.rows and "Made" not in words


def test_a_refused_picture_is_named_and_the_others_come(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [IMAGES[0], IMAGES[1] | {"width": 50, "height": 50}]
    assert run(["import", "coco", coco(tmp_path / "in", [ENTRY, ENTRY | {"image_id": 2}], images), *COMMAND]) == 0
    words = said(capsys)
    assert list(answers(shelf)) == ["a.png"] and "refuses 1 picture" in words
    assert "refused b.png: The file says 50 x 50, the picture is 96 x 64." in words


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([], "0 pictures"),
        ([IMAGES[0] | {"width": 50, "height": 50}], "a.png: The file says 50 x 50, the picture is 96 x 64."),
    ],
)
def test_nothing_that_can_come_is_a_failure(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str], images: list[dict[str, Any]], says: str
) -> None:
    path = coco(tmp_path / "in", [ENTRY], images)
    for more in ([], ["--dry-run"]):
        assert run(["import", "coco", path, *COMMAND, *more]) == 2
        words = said(capsys)
        assert says in words and "ImportUnreadable" in words and "annotated already" not in words and not shelf.rows


def test_the_frame_can_be_said(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = coco(tmp_path / "in", [ENTRY], IMAGES[:1])
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (96, 64)).save(tmp_path / "in/a.png", exif=exif)
    assert run(["import", "coco", path, *COMMAND]) == 2
    assert "--frame upright" in said(capsys)
    assert run(["import", "coco", path, *COMMAND, "--frame", "sideways"]) == 2
    assert "It is upright or stored" in said(capsys)
    assert run(["import", "coco", path, *COMMAND, "--frame", "stored"]) == 0
    assert "note 1 picture: boxes were drawn on the picture before its turn" in said(capsys)
    (region,) = answers(shelf)["a.png"][0]
    assert (region["original_width"], region["original_height"]) == (64, 96)
    assert [region["value"][key] for key in ("x", "y", "width", "height")] == pytest.approx([3400 / 64, 800 / 96, 2400 / 64, 3200 / 96])


def test_names_in_square_brackets_are_printed_as_they_are(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    (folder / "[b]").mkdir(parents=True)
    images = [IMAGES[0] | {"file_name": "[b]/[bold]x.png"}]
    path = coco(folder, [ENTRY | {"category_id": "[red]"}], images)
    assert run(["import", "coco", path, *COMMAND]) == 0
    assert "[bold]x.png: annotation 1: its category '[red]'" in said(capsys)


def test_yolo_says_what_has_no_label_file(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / "in/images").mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (96, 64), (len(name), ord(name), 3)).save(tmp_path / f"in/images/{name}.png")
    (tmp_path / "in/labels").mkdir()
    (tmp_path / "in/labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "in/data.yaml").write_text("train: ../images\nval: ../valid/images\nnames: [jason]\n")
    assert run(["import", "yolo", str(tmp_path / "in"), *COMMAND]) == 0
    words = said(capsys)
    assert "1 picture: no label file, so nothing is in it" in words and "val: ../valid/images is not in" in words
    assert answers(shelf)["b.png"] == [[]] and len(answers(shelf)["a.png"][0]) == 1


@pytest.mark.parametrize("spelled", ["Jos\u00e9", "Jose\u0301"])
def test_a_name_is_spelled_as_the_label_config_spells_it(shelf: Shelf, tmp_path: Path, spelled: str) -> None:
    shelf.config = xml(spelled)
    for name in ("Jos\u00e9", "Jose\u0301"):
        (tmp_path / "in" / name).mkdir(parents=True)
        PIL.Image.new("RGB", (9 * len(name), 40)).save(tmp_path / "in" / name / "x.png")
    PIL.Image.new("RGB", (80, 40)).save(tmp_path / "in" / "Jose\u0301" / "y.png")
    assert run(["import", "crops", str(tmp_path / "in"), *COMMAND, "--rename", "Jose=x"]) == 0
    assert {region["value"]["rectanglelabels"][0] for results in answers(shelf).values() for result in results for region in result} == {
        spelled
    }


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Label Studio, no project."""
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DINOLABEL_STUDIO_URL", "http://127.0.0.1:9")


PARTS = [ENTRY, ENTRY | {"id": 2, "image_id": 2, "bbox": []}]


@pytest.mark.usefixtures("nobody")
def test_a_dry_run_needs_no_label_studio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [*IMAGES, IMAGES[0] | {"id": 4, "file_name": "d.png", "width": 50, "height": 50}]
    path = coco(tmp_path / "in", PARTS, images)
    assert run(["import", path, "--dry-run", "--rename", "jason=mina"]) == 0
    words = said(capsys)
    assert f"{path}: COCO, by x.json" in words  # nobody said which it is
    assert "a.png 96 x 64 mina 1" in words and "c.png 96 x 64 none: nothing is there" in words
    assert "b.png 96 x 64 annotation 2: it has no bbox and no outline that could be used" in words
    assert "refused d.png: The file says 50 x 50, the picture is 96 x 64." in words
    assert "comes 3 pictures with 1 box" in words and "labels mina 1" in words and "undecided 1 picture" in words
    assert run(["import", "coco", path, "--dry-run"]) == 0
    assert f"{path}: coco" in said(capsys)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("pair", ["jason", "jason=", " =mina"])
def test_a_label_gets_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], pair: str) -> None:
    path = coco(tmp_path / "in", PARTS, [])
    assert run(["import", path, "--dry-run", "--rename", pair]) == 2
    assert "--rename wants old=new" in capsys.readouterr().err


def test_a_dry_run_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [*IMAGES[:2], IMAGES[0] | {"id": 4, "file_name": "d.png", "width": 50, "height": 50}]
    assert run(["import", coco(tmp_path / "in", PARTS, images), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "was cut, replaced or turned" in told["refused"][0].pop("hint")
    assert told == {
        "format": "coco",
        "recognised": "COCO, by x.json",
        "pictures": [
            {"file": "a.png", "name": "a.png", "width": 96, "height": 64, "boxes": [{"label": "jason", "xyxy": [8, 6, 40, 30]}]}
            | {"undecided": []},
            {"file": "b.png", "name": "b.png", "width": 96, "height": 64, "boxes": []}
            | {"undecided": [{"mark": "annotation 2", "kind": "box", "why": "it has no bbox and no outline that could be used"}]},
        ],
        "refused": [{"name": "d.png", "why": "The file says 50 x 50, the picture is 96 x 64."}],
        "notes": [],
    }
    more = {"attributes": {"rotated": True}, "segmentation": [[8, 6, 24, 22, 8, 38, -8, 22]]}
    assert run(["import", coco(tmp_path / "in", [ENTRY | more]), "--dry-run", "--json"]) == 0
    (box,) = json.loads(capsys.readouterr().out)["pictures"][0]["boxes"]
    assert len(box["corners"]) == 4 and "verified" not in box


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["coco"], "Which data set, in the format coco?"),
        (["nowhere"], "There is no file or folder nowhere."),
        (["nowhere", "--dry-run"], "There is no file or folder nowhere."),
        (["pdf", "in"], "There is no import format 'pdf'"),
        (["in", "--json"], "--json says what would come. (RequestError) Add --dry-run."),
        (["in", "--dry-run"], "in is in none of the formats that are read"),
        (["coco", "lost", "--dry-run"], "0 pictures of lost can be imported: 1 refused. a.png: The picture is not here."),
    ],
)
def test_a_data_set_that_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    coco(tmp_path / "lost", [ENTRY], IMAGES[:1])
    (tmp_path / "lost/a.png").unlink()
    assert run(["import", *words]) == 2
    assert says in said(capsys)


@pytest.mark.usefixtures("nobody")
def test_only_some_pictures_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [{**IMAGES[0], "id": number, "file_name": f"{number}.png"} for number in range(1, 29)]
    assert run(["import", coco(tmp_path / "in", [ENTRY], images), "--dry-run"]) == 0
    assert "and 3 more pictures" in said(capsys)


def test_a_zip_whose_format_nobody_said(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = coco(tmp_path / "in", [ENTRY])
    path = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    assert run(["import", path, "--project", "1", "--dry-run"]) == 0
    assert "COCO, by x.json" in said(capsys) and not shelf.rows
    assert run(["import", path, *COMMAND]) == 0
    assert answers(shelf)["a.png"][0][0]["meta"]["text"] == ["imported from coco: set.zip, annotation 1\n"]
    assert run(["import", folder, *COMMAND]) == 0
    assert "annotated already" in said(capsys) and len(shelf.rows) == 3
