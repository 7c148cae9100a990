"""YOLO data sets as tools really write them: layouts, lines, and that nothing outside the folder is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters.importers import yolo
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.vision.decoding.frame_sizes import CANNOT_TELL, TURNED
from tests.unit.exporters.test_incoming_coco import BOX, boxes, picture

LINE = "0 0.25 0.28125 0.33333333 0.375"
NESTED = "l0: &l0 [x, x]\n" + "".join(f"l{at}: &l{at} [*l{at - 1}, *l{at - 1}]\n" for at in range(1, 61))
YAML = "path: .\ntrain: images/train\nnames: [mina, otto]\n"


def write(root: Path, files: dict[str, str | bytes | None]) -> Path:
    """None makes a picture."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            picture(path)
        elif isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8")
    return root


def read(path: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[ImportedImage]:
    return list(yolo.read(path, media, reading or ImportLog()))


LAYOUTS: dict[str, dict[str, str | bytes | None]] = {
    "ours": {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": LINE},
    "Roboflow": {
        "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['mina']\n",
        "train/images/a.jpg": None,
        "train/labels/a.txt": LINE,
    },
    "CVAT Ultralytics": {
        "data.yaml": "names:\n  0: mina\npath: .\ntrain: train.txt\n",
        "train.txt": "data/images/train/a.jpg\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
    },
    "a list with dots": {
        "data.yaml": "names: [mina]\ntrain: lists/train.txt\n",
        "lists/train.txt": "./../images/a.jpg\n",
        "images/a.jpg": None,
        "labels/a.txt": LINE,
    },
    "a list of another machine": {
        "data.yaml": "names: [mina]\ntrain: train.txt\n",
        "train.txt": "/home/me/cats/images/train/a.jpg\r\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
    },
    "FiftyOne": {
        "dataset.yaml": "names:\n  0: mina\npath: /home/me/export\ntrain: ./images/train/\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
    },
    "an absolute side on Windows": {
        "data.yaml": "names: [mina]\ntrain: C:\\cats\\images\\train\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
    },
    "supervision": {"data.yaml": "nc: 1\nnames: [mina]\n", "images/a.jpg": None, "labels/a.txt": LINE},
    "Label Studio": {
        "classes.txt": "mina\notto",
        "notes.json": '{"categories": [{"id": 0, "name": "mina"}], "info": {"contributor": "Label Studio"}}',
        "images/0a1b2c3d-a.jpg": None,
        "labels/0a1b2c3d-a.txt": LINE,
    },
    "notes.json only": {"notes.json": '{"categories": [{"id": 0, "name": "mina"}]}', "images/a.jpg": None, "labels/a.txt": LINE},
    "labelImg": {"classes.txt": "mina\n", "a.jpg": None, "a.txt": LINE},
    "CVAT YOLO 1.1": {
        "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        "obj.names": "mina\n",
        "train.txt": "data/obj_train_data/a.jpg\n",
        "obj_train_data/a.jpg": None,
        "obj_train_data/a.txt": LINE,
    },
    "images twice": {
        "data.yaml": "names: [mina]\ntrain: images/train/images\n",
        "images/train/images/a.jpg": None,
        "labels/train/images/a.txt": LINE,
    },
    "one folder in another": {"cats/data.yaml": YAML, "cats/images/train/a.jpg": None, "cats/labels/train/a.txt": LINE},
    "several sides of one name": {
        "data.yaml": "names: [mina]\ntrain: [images/a, images/b]\nval: images/a\n",
        "images/a/a.jpg": None,
        "labels/a/a.txt": LINE,
    },
    "names in another form": {
        "data.yaml": "names:\n  '0': mina\ntrain: images/train\nval: null\ntest:\n",
        "images/train/a.jpg": None,
        "labels/train/a.txt": LINE,
    },
    "with a BOM": {
        "data.yaml": b"\xef\xbb\xbf" + YAML.encode(),
        "images/train/a.jpg": None,
        "labels/train/a.txt": b"\xef\xbb\xbf" + LINE.encode() + b"\r\n",
    },
    "as PowerShell writes": {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": LINE.encode("utf-16")},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    (found,) = read(write(tmp_path, LAYOUTS[layout]))
    assert [(label, pytest.approx(box, abs=0.001)) for label, box in boxes(found)] == [("mina", BOX)] and not found.unread


def test_names_are_what_was_written(tmp_path: Path) -> None:
    names = "names: [no, 1.0, null, 'a, b', Jose\u0301]\ntrain: images\n"
    lines = "\n".join(f"{number} 0.5 0.5 0.{number + 1} 0.2" for number in range(5))
    (found,) = read(write(tmp_path, {"data.yaml": names, "images/a.jpg": None, "labels/a.txt": lines}))
    assert [each.label for each in found.boxes] == ["no", "1.0", "null", "a, b", "Jos\u00e9"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (LINE, BOX),
        (f"{LINE} 0.91", BOX),  # confidence
        (f"{LINE} 17", BOX),  # track
        (f"{LINE} 0.91 17", BOX),
        ("0.0" + LINE[1:], BOX),
        ("0 0.1 0.1 0.3 0.1 0.3 0.3 0.2 0.4 0.1 0.3", (9.6, 6.4, 28.8, 25.6)),
        ("0 0.1 0.1 0.3 0.1 0.3 0.3", (9.6, 6.4, 28.8, 19.2)),
        ("0 0.1 0.1 0.3 0.1 0.3 0.3 0.2 0.4 0.87", (9.6, 6.4, 28.8, 25.6)),
        ("0 0.0 0.5 0.2 0.2", (0, 25.6, 9.6, 38.4)),  # over the edge
        ("0 0.5 0.5 1.000001 1.0", (0, 0, 96, 64)),
        ("7 0.25 0.28 0.3 0.3", "unknown class"),
        ("0.5 0.25 0.28 0.3 0.3", "unknown class"),
        ("-1 0.25 0.28 0.3 0.3", "unknown class"),
        ("mina 0.25 0.28 0.3 0.3", "no numbers"),
        ("0 0,25 0,28 0,3 0,3", "no numbers"),
        ("0 nan 0.28 0.3 0.3", "no numbers"),
        ("0 0.25 0.28 inf 0.3", "no numbers"),
        ("0 24 18 32 24", "pixels"),
        ("0 0.25 0.28 -0.3 0.3", "negative"),
        ("0 0.25 0.28 0 0.3", "no size"),
        ("0 0.25 0.28 0.001 0.3", "under a pixel"),
        ("0 0.25 0.28 0.3", "columns"),
        ("0 0.25 0.28 0.3 0.3 -0.7", "columns"),
        ("0 0.1 0.1 0.3 0.1 0.3 0.3 0.2", "columns"),
        ("0 0.25 0.28 0.3 0.3 0.9 1", "columns"),  # a triangle, or a box with confidence and track
        ("0", "columns"),
    ],
)
def test_lines(tmp_path: Path, line: str, expected: Any) -> None:
    """A second picture with a good line keeps the data set from being refused."""
    more = {"images/train/b.jpg": None, "labels/train/b.txt": LINE}
    found, other = read(write(tmp_path, {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": f"\n{line}\n", **more}))
    assert not other.unread
    if isinstance(expected, str):
        assert [(each.region, each.kind) for each in found.unread] == [("a.txt line 2", expected)] and not found.boxes
    else:
        assert not found.unread and [each.box.xyxy for each in found.boxes] == [pytest.approx(expected, abs=0.001)]


def test_a_bad_line_leaves_the_good_ones(tmp_path: Path) -> None:
    text = f"{LINE}\n9 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.5 0.5\n"
    (found,) = read(write(tmp_path, {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": text}))
    assert [each.label for each in found.boxes] == ["mina", "otto"] and [each.region for each in found.unread] == ["a.txt line 2"]


def test_a_label_file_that_is_no_text_makes_its_picture_undecided(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": b"\xff\x80 0.5"}
    found, _ = read(write(tmp_path, {**files, "images/train/b.jpg": None, "labels/train/b.txt": LINE}))
    assert [each.kind for each in found.unread] == ["no text"] and not found.boxes


def test_key_points_after_boxes(tmp_path: Path) -> None:
    text = f"{LINE} 0.1 0.1 2 0.2 0.2 1"
    files: dict[str, str | bytes | None] = {"data.yaml": YAML + "kpt_shape: [2, 3]\n", "images/train/a.jpg": None}
    (found,) = read(write(tmp_path, {**files, "labels/train/a.txt": text}))
    assert not found.unread and [each.box.xyxy for each in found.boxes] == [pytest.approx(BOX, abs=0.001)]


@pytest.mark.parametrize(
    ("corners", "rotation"),
    [
        ([(20, 10), (40, 30), (30, 40), (10, 20)], True),
        ([(20, 10), (10, 20), (30, 40), (40, 30)], True),  # the other way round
        ([(10, 10), (40, 10), (40, 40), (10, 40)], False),
        ([(20, 10), (40, 30), (25, 45), (10, 20)], False),  # four points, no rectangle
    ],
)
def test_four_corners(tmp_path: Path, corners: list[tuple[float, float]], rotation: bool) -> None:
    text = "0 " + " ".join(f"{x / 96:.8f} {y / 64:.8f}" for x, y in corners)
    (found,) = read(write(tmp_path, {"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": text}))
    (only,) = found.boxes
    xs, ys = zip(*corners, strict=True)
    assert only.box.xyxy == pytest.approx((min(xs), min(ys), max(xs), max(ys)), abs=0.001)
    if rotation:
        assert (
            only.quad is not None
            and only.quad[1] == pytest.approx((40, 30), abs=0.001)
            and only.quad[3] == pytest.approx((10, 20), abs=0.001)
        )
    else:
        assert only.quad is None


@pytest.mark.parametrize(("frame", "expected", "said"), [(None, (24, 24, 40, 48), CANNOT_TELL), ("stored", (24, 48, 40, 72), TURNED)])
def test_shares_of_a_turned_picture(tmp_path: Path, frame: Any, expected: tuple[float, ...], said: str) -> None:
    write(tmp_path, {"data.yaml": YAML, "labels/train/a.txt": "0 0.5 0.375 0.25 0.25" if frame is None else "0 0.625 0.5 0.25 0.25"})
    picture(tmp_path / "images/train/a.jpg", turn=6)
    reading = ImportLog(frame)
    (found,) = read(tmp_path, reading)
    assert (found.width, found.height) == (64, 96) and [each.box.xyxy for each in found.boxes] == [pytest.approx(expected)]
    assert reading.notes == {said: ["a.jpg"]}


@pytest.mark.parametrize(("image", "text"), [("a.JPG", "A.TXT"), ("Jos\u00e9.jpg", "Jose\u0301.txt")])
def test_a_label_file_is_found_as_windows_and_a_mac_write_it(tmp_path: Path, image: str, text: str) -> None:
    """Beside pictures that have one, it would be said that nothing is in this one."""
    names = "names: [mina]\ntrain: images\n"
    files: dict[str, str | bytes | None] = {"data.yaml": names, "images/z.jpg": None, "labels/z.txt": "", f"images/{image}": None}
    write(tmp_path, {**files, f"labels/{text}": LINE, "labels/gone.txt": LINE})
    reading = ImportLog()
    assert sorted(len(each.boxes) for each in read(tmp_path, reading)) == [0, 1]
    assert reading.notes == {yolo.STRAY: ["gone.txt"]}


def test_pictures_without_a_label_file(tmp_path: Path) -> None:
    """Beside others that have one nothing is in them, as trainers take it; in a folder of which none has any, nobody looked."""
    names = "names: [mina]\ntrain: images/train\nval: images/val\n"
    pictures = dict.fromkeys(("images/train/a.jpg", "images/train/b.jpg", "images/train/c.jpg", "images/val/d.jpg"))
    write(tmp_path, {"data.yaml": names, **pictures, "labels/train/a.txt": LINE, "labels/train/b.txt": ""})
    reading = ImportLog()
    assert [(each.name, len(each.boxes)) for each in read(tmp_path, reading)] == [("a.jpg", 1), ("b.jpg", 0), ("c.jpg", 0)]
    assert reading.notes == {yolo.WITHOUT: ["c.jpg"]} and [each.name for each in reading.refused] == ["d.jpg"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"data.yaml": YAML, "images/train/a.jpg": None}, "No label file found: not one of 1 pictures"),
        ({"data.yaml": YAML, "images/train/a.jpg": None, "labels/train/a.txt": "0 24 18 32 24\n"}, "a.txt line 1: 32 is no share"),
        ({"data.yaml": YAML}, "0 pictures: train: images/train is not in"),
        ({"data.yaml": "names: [a]\n"}, "0 pictures: there is no picture in"),
        ({"data.yaml": "train: images\nnc: 3\n"}, "has no names"),
        ({"data.yaml": "names: [a\n"}, "is no data.yaml"),
        ({"data.yaml": "[" * 5000}, "is no data.yaml"),
        ({"data.yaml": "names: {a: b}\n"}, "have no numbers"),
        ({"data.yaml": "names: [[a, b]]\n"}, "has a list where one name"),
        ({"data.yaml": f"{NESTED}names: *l60\n"}, "has a list where one name"),
        ({"data.yaml": f"{NESTED}names: [a]\npath: *l60\n"}, "has a list where one name"),
        ({"data.yaml": f"{NESTED}names: [a]\ntrain: [*l60]\n"}, "has a list where one name"),
        ({"obj.data": "names = data/obj.names\n"}, "which is not in"),
        ({"classes.txt": b"M\xfcller\n"}, "is no text in UTF-8"),
        ({"notes.json": '{"categories": 3}'}, "lists no classes"),
        ({"a.jpg": None, "a.txt": LINE}, "neither data.yaml"),
    ],
)
def test_what_is_refused(tmp_path: Path, files: dict[str, str | bytes | None], says: str) -> None:
    with pytest.raises(ImportUnreadable) as found:
        read(write(tmp_path, files))
    assert says in str(found.value)


@pytest.mark.parametrize("how", ["absolute path", "dots", "absolute side", "link", "linked folder", "list", "linked labels"])
def test_nothing_outside_the_folder_is_taken(tmp_path: Path, how: str) -> None:
    private, data = write(tmp_path / "private", {"me.jpg": None, "me.txt": LINE}), tmp_path / "data"
    text = {
        "absolute path": f"path: {private}\ntrain: .",
        "dots": "train: ../private",
        "absolute side": f"train: {private}",
        "list": "train: train.txt",
    }.get(how, "train: images")
    write(data, {"data.yaml": f"{text}\nnames: [mina]\n", "train.txt": f"{private}/me.jpg\n../private/me.jpg\n", "images/b.jpg": None})
    write(data, {"labels/b.txt": LINE})
    if how == "link":
        (data / "images/l.jpg").symlink_to(private / "me.jpg")
    if how == "linked folder":
        (data / "images/more").symlink_to(private)
    if how == "linked labels":
        picture(data / "images/c.jpg")
        (data / "labels/c.txt").symlink_to(private / "me.txt")
    if how in ("dots", "absolute side"):
        with pytest.raises(ImportUnreadable, match="0 pictures"):
            read(data)
        return
    found = read(data)
    assert [each.name for each in found if each.file is not None and each.boxes] == ["b.jpg"] or how == "list"
    assert all(each.file is None or each.file.resolve().is_relative_to(data) for each in found)


def test_media_brings_the_pictures_of_a_set_without_any(tmp_path: Path) -> None:
    """Label Studio leaves pictures out where it does not hold them; those of the folder that the set does not know stay where they are."""
    data = write(tmp_path / "data", {"classes.txt": "mina\n", "labels/a.txt": LINE, "labels/b.txt": ""})
    media = write(tmp_path / "media", {"deep/a.jpg": None, "b.jpg": None, "holiday.jpg": None})
    assert sorted((each.name, len(each.boxes)) for each in read(data, media=media)) == [("a.jpg", 1), ("b.jpg", 0)]
    (data / "data.yaml").write_text("path: /home/me\ntrain: images/train\nnames: [mina]\n")
    assert sorted((each.name, len(each.boxes)) for each in read(data, media=media)) == [("a.jpg", 1), ("b.jpg", 0)]


def test_what_a_list_names_and_is_not_there_is_said(tmp_path: Path) -> None:
    files = {"data.yaml": "names: [mina]\ntrain: train.txt\n", "train.txt": "images/a.jpg\nimages/gone.jpg\n"}
    found = read(write(tmp_path, {**files, "images/a.jpg": None, "labels/a.txt": LINE}))
    assert [(each.name, each.file is None) for each in found] == [("a.jpg", False), ("images/gone.jpg", True)]


def test_a_damaged_picture_costs_itself_only(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": YAML, "images/train/a.jpg": None, "images/train/b.jpg": b"<html>", "labels/train/a.txt": LINE})
    write(tmp_path, {"labels/train/b.txt": LINE})
    reading = ImportLog()
    assert [each.name for each in read(tmp_path, reading)] == ["a.jpg"] and [each.name for each in reading.refused] == ["b.jpg"]
