"""COCO as tools really write it: every mark is a box at the right place, or the word why it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters.importers import coco
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.vision.decoding.frame_sizes import CANNOT_TELL, SWAPPED, TURNED

WIDTH, HEIGHT = 96, 64
BOX = (8.0, 6.0, 40.0, 30.0)
ENTRY: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 6, 32, 24], "area": 768, "iscrowd": 0}
IMAGE: dict[str, Any] = {"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
POLYGON = [[8, 6, 40, 6, 40, 30, 20, 28, 8, 30]]
RUNS = [8 * HEIGHT + 6, *([24, 40] * 31), 24, (WIDTH - 39) * HEIGHT - 30]


def picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), turn: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    PIL.Image.new("RGB", size, (120, 60, 20)).save(path, exif=exif)
    return path


def write(path: Path, entries: Any, images: Any = (IMAGE,), **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": list(images), "annotations": entries, "categories": [{"id": 1, "name": "mina"}, {"id": 2, "name": "otto"}], **more}
    path.write_text(json.dumps(content), encoding="utf-8")


def read(folder: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[ImportedImage]:
    return list(coco.read(folder, media, reading or ImportLog()))


def boxes(arriving: ImportedImage) -> list[tuple[str | None, tuple[float, ...]]]:
    return [(each.label, tuple(round(at, 6) for at in each.box.xyxy)) for each in arriving.boxes]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({}, None),
        ({"bbox": ["8", "6", "32.0", "24"]}, None),
        ({"category_id": "1"}, None),
        ({"segmentation": POLYGON}, None),
        ({"iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, WIDTH * HEIGHT]}}, None),  # CVAT's mask of one object
        ({"bbox": None, "segmentation": POLYGON}, None),
        ({"bbox": [], "segmentation": POLYGON}, None),
        ({"bbox": [0, 0, 0, 0], "segmentation": POLYGON}, None),
        ({"bbox": [], "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": RUNS}}, None),
        ({"bbox": [], "segmentation": []}, "box"),
        ({"bbox": [8, 6, -4, 24]}, "box"),
        ({"bbox": [8, 6, 32]}, "box"),
        ({"bbox": [8, 6, "wide", 24]}, "box"),
        ({"bbox": [8, 6, float("nan"), 24]}, "box"),
        ({"bbox": [8, 6, float("inf"), 24]}, "box"),
        ({"bbox": {"x": 8}}, "box"),
        ({"bbox": [0, 0, 0, 0], "keypoints": [9, 9, 2]}, "key points"),
        ({"bbox": [], "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [5]}}, "crowd"),
        ({"bbox": [], "segmentation": {"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT]}}, "outline"),
        ({"bbox": [], "segmentation": [[8, 6, 40]]}, "outline"),
        ({"bbox": [200, 6, 32, 24]}, "outside"),
        ({"bbox": [8, 6, 0.25, 24]}, "under a pixel"),
        ({"category_id": 9}, "unknown category"),
        ({"category_id": None}, "unknown category"),
        ({"ignore": 1}, "to be ignored"),
        ({"attributes": {"rotation": "steep"}}, "box"),
    ],
)
def test_an_annotation_is_a_box_or_makes_its_picture_undecided(tmp_path: Path, entry: dict[str, Any], kind: str | None) -> None:
    picture(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations/instances.json", [ENTRY | entry])
    (found,) = read(tmp_path)
    assert boxes(found) == ([] if kind else [("mina", BOX)])
    assert [each.kind for each in found.unread] == ([kind] if kind else [])
    assert all(each.region == "annotation 1" and each.why for each in found.unread)


@pytest.mark.parametrize("seed", range(6))
def test_a_packed_mask_is_read_as_its_own_library_does(tmp_path: Path, seed: int) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    x, y = 3 + seed * 7, 2 + seed * 5
    drawn = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    drawn[y : y + 30, x : x + 40] = np.random.default_rng(seed).integers(0, 2, drawn[y : y + 30, x : x + 40].shape)
    packed = mask.encode(drawn)
    expected = mask.toBbox(packed)
    picture(tmp_path / "images/a.jpg")
    shape = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
    write(tmp_path / "annotations/instances.json", [ENTRY | {"bbox": [], "segmentation": shape}])
    (found,) = read(tmp_path)[0].boxes
    assert found.box.xyxy == pytest.approx((*expected[:2], expected[0] + expected[2], expected[1] + expected[3]))


@pytest.mark.parametrize("counts", ["", "~~~", "o" * 40, "0\u00e9"])
def test_text_that_packs_no_mask_is_said(tmp_path: Path, counts: str) -> None:
    picture(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations/instances.json", [ENTRY | {"bbox": [], "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}}])
    assert [each.kind for each in read(tmp_path)[0].unread] == ["outline"]


def test_cvat_turns_a_box_clockwise_about_its_middle(tmp_path: Path) -> None:
    picture(tmp_path / "images/default/a.jpg")
    write(tmp_path / "annotations/instances_default.json", [ENTRY | {"attributes": {"occluded": False, "rotation": 90.0}}])
    (only,) = read(tmp_path)[0].boxes
    assert only.box.xyxy == pytest.approx((12, 2, 36, 34))
    assert only.quad is not None and [at for corner in only.quad for at in corner] == pytest.approx([36, 2, 36, 34, 12, 34, 12, 2])


@pytest.mark.parametrize("rotation", [0, 0.0, 360.0, None])
def test_a_box_that_is_not_turned_has_no_corners(tmp_path: Path, rotation: float | None) -> None:
    picture(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations/instances.json", [ENTRY | {"attributes": {"rotation": rotation}}])
    assert [each.quad for each in read(tmp_path)[0].boxes] == [None]


@pytest.mark.parametrize(
    ("json_at", "picture_at", "file_name"),
    [
        ("result.json", "images/0a1b2c3d-a.jpg", "images/0a1b2c3d-a.jpg"),  # Label Studio
        ("result.json", "images/0a1b2c3d-a.jpg", "../../label-studio/data/media/upload/8/0a1b2c3d-a.jpg"),
        ("result.json", "images/0a1b2c3d-a.jpg", "images\\0a1b2c3d-a.jpg"),  # on Windows
        ("result.json", "images/0a1b2c3d-a.jpg", "C:\\data\\media\\0a1b2c3d-a.jpg"),
        ("labels.json", "data/a.jpg", "a.jpg"),  # FiftyOne
        ("annotations.json", "images/a.jpg", "a.jpg"),  # supervision
        ("train/_annotations.coco.json", "train/a_jpg.rf.0a1b.jpg", "a_jpg.rf.0a1b.jpg"),  # Roboflow
        ("annotations/instances_default.json", "images/default/a.jpg", "a.jpg"),  # CVAT, datumaro
        ("annotations/instances_train2017.json", "train2017/a.jpg", "a.jpg"),
        ("x.json", "photos of May/a #1 50%25.jpg", "a #1 50%25.jpg"),
        ("x.json", "Jose\u0301.jpg", "Jos\u00e9.jpg"),
        ("x.json", "a b.jpg", "https://bucket.example.com/8/a%20b.jpg?X-Amz-Signature=0a1b"),
        ("x.json", "A.JPG", "images\\a.jpg"),
    ],
)
def test_layouts(tmp_path: Path, json_at: str, picture_at: str, file_name: str) -> None:
    there = picture(tmp_path / picture_at)
    write(tmp_path / json_at, [ENTRY], [IMAGE | {"file_name": file_name}])
    (tmp_path / "README.json").write_text('{"name": "cats"}')
    (found,) = read(tmp_path)
    assert found.file == there and boxes(found) == [("mina", BOX)]


def test_sides_with_pictures_of_one_name(tmp_path: Path) -> None:
    for side, label in (("train", 1), ("valid", 2)):
        picture(tmp_path / side / "a.jpg")
        write(tmp_path / side / "_annotations.coco.json", [ENTRY | {"category_id": label}])
    assert [(each.file, boxes(each)) for each in read(tmp_path)] == [
        (tmp_path / "train/a.jpg", [("mina", BOX)]),
        (tmp_path / "valid/a.jpg", [("otto", BOX)]),
    ]


def test_files_beside_are_put_together_or_named(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg"), picture(tmp_path / "images/b.jpg")
    images = [IMAGE, IMAGE | {"id": 2, "file_name": "b.jpg"}]
    folder = tmp_path / "annotations"
    write(folder / "image_info_default.json", [], images, categories=[])
    write(folder / "captions_val2017.json", [{"id": 5, "image_id": 1, "caption": "a cat"}], images, categories=[])
    people = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
    write(folder / "person_keypoints_val2017.json", [ENTRY | {"keypoints": [9, 9, 2]}], images, categories=people)
    write(folder / "panoptic_val2017.json", [{"image_id": 1, "segments_info": []}], images)
    (folder / "results.json").write_text(json.dumps([ENTRY | {"score": 0.9}]))
    write(folder / "instances_a.json", [ENTRY], images)
    write(folder / "instances_b.json", [ENTRY | {"id": 7, "category_id": 2, "bbox": [50, 6, 20, 20]}, ENTRY], images)
    reading = ImportLog()
    assert [boxes(each) for each in read(tmp_path, reading)] == [[("mina", BOX), ("otto", (50, 6, 70, 26))], []]
    said = " ".join(reading.notes)
    assert all(name in said for name in ("image_info_default", "captions_val2017", "person_keypoints", "panoptic", "results.json"))


@pytest.mark.parametrize("size", [{"width": None, "height": None}, {"width": 0, "height": 0}, {"width": "wide"}])
def test_a_size_that_the_file_lacks_is_the_pictures(tmp_path: Path, size: dict[str, Any]) -> None:
    picture(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations/instances.json", [ENTRY], [IMAGE | size])
    (found,) = read(tmp_path)
    assert (found.width, found.height, boxes(found)) == (WIDTH, HEIGHT, [("mina", BOX)])


@pytest.mark.parametrize(
    ("turn", "stated", "info", "box", "frame", "expected"),
    [
        # a phone's picture of 96 x 64 turned to 64 x 96: Label Studio 1.23.2 writes the first size and boxes of the second
        (6, (96, 64), {"contributor": "Label Studio"}, [8, 6, 32, 24], None, ((8, 6, 40, 30), SWAPPED)),
        (6, (96, 64), {}, [8, 60, 32, 30], None, ((8, 60, 40, 90), SWAPPED)),  # leaves the stated frame
        (6, (96, 64), {}, [60, 6, 32, 24], None, ((34, 60, 58, 92), TURNED)),  # leaves the upright one
        (6, (96, 64), {}, [8, 6, 32, 24], "stored", ((34, 8, 58, 40), TURNED)),
        (6, (96, 64), {}, [8, 6, 32, 24], "upright", ((8, 6, 40, 30), SWAPPED)),
        (6, (96, 64), {}, [8, 6, 32, 24], None, None),
        (5, (96, 64), {}, [60, 6, 32, 24], None, ((6, 60, 30, 92), TURNED)),
        (7, (96, 64), {}, [60, 6, 32, 24], None, ((34, 4, 58, 36), TURNED)),
        (8, (96, 64), {}, [60, 6, 32, 24], None, ((6, 4, 30, 36), TURNED)),
        (6, (64, 96), {}, [8, 6, 32, 24], None, ((8, 6, 40, 30), None)),
        (3, (96, 64), {}, [8, 6, 32, 24], None, ((8, 6, 40, 30), CANNOT_TELL)),
        (3, (96, 64), {}, [8, 6, 32, 24], "stored", ((56, 34, 88, 58), TURNED)),
        (2, (96, 64), {}, [8, 6, 32, 24], "stored", ((56, 6, 88, 30), TURNED)),
        (4, (96, 64), {}, [8, 6, 32, 24], "stored", ((8, 34, 40, 58), TURNED)),
        (1, (192, 128), {}, [16, 12, 64, 48], None, ((8, 6, 40, 30), None)),  # annotated on a larger copy
        (1, (48, 32), {}, [4, 3, 16, 12], None, ((8, 6, 40, 30), None)),
        (1, (64, 96), {}, [8, 6, 32, 24], "upright", None),
        (1, (100, 100), {}, [8, 6, 32, 24], None, None),
    ],
)
def test_frames(
    tmp_path: Path, turn: int, stated: tuple[int, int], info: Any, box: list[int], frame: Any, expected: tuple[Any, str | None] | None
) -> None:
    picture(tmp_path / "images/a.jpg", turn=turn)
    picture(tmp_path / "images/good.jpg")
    images = [IMAGE | {"width": stated[0], "height": stated[1]}, IMAGE | {"id": 2, "file_name": "good.jpg"}]
    write(tmp_path / "result.json", [ENTRY | {"bbox": box}, ENTRY | {"id": 2, "image_id": 2}], images, info=info)
    reading = ImportLog(frame)
    found = {each.name: each for each in read(tmp_path, reading)}
    assert boxes(found["good.jpg"]) == [("mina", BOX)]  # whatever becomes of the other
    if expected is None:
        (refused,) = reading.refused
        assert refused.name == "a.jpg" and f"{stated[0]} x {stated[1]}" in refused.why and "a.jpg" not in found
    else:
        assert boxes(found["a.jpg"]) == [("mina", tuple(map(float, expected[0])))]
        assert list(reading.notes) == ([expected[1]] if expected[1] else [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([ENTRY], "names no pictures"),
        ({"images": [IMAGE], "annotations": [], "categories": [{"id": 1, "name": "a"}]}, "not one annotation"),
        ({"images": [IMAGE], "categories": [{"id": 1, "name": "a"}]}, "without annotations"),
        ({"images": [IMAGE], "annotations": [{"caption": "a cat", "image_id": 1}]}, "captions"),
    ],
)
def test_what_says_nothing_of_boxes_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "x.json").write_text(json.dumps(content))
    for path in (tmp_path, tmp_path / "x.json"):
        with pytest.raises(ImportUnreadable, match=says):
            read(path)


def test_a_file_that_is_cut_short_ends_the_import(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "train.json", [ENTRY])
    (tmp_path / "valid.json").write_text('{"images": [{"id": 1, "file_na')
    with pytest.raises(ImportUnreadable, match=r"valid\.json cannot be read"):
        read(tmp_path)


def test_damaged_entries_cost_themselves_only(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    (tmp_path / "images/page.jpg").write_text("<html>")
    images = [IMAGE, {"id": 2}, "x", IMAGE | {"id": 3, "file_name": "page.jpg"}, IMAGE | {"id": 4, "file_name": "x" * 400 + "\0.jpg"}]
    write(tmp_path / "annotations/instances.json", [ENTRY, "x", ENTRY | {"image_id": 77}], images)
    reading = ImportLog()
    found = read(tmp_path, reading)
    assert boxes(found[0]) == [("mina", BOX)] and [each.file for each in found[1:]] == [None]
    assert [each.name for each in reading.refused] == ["instances.json, image 1", "instances.json, image 2", "page.jpg"]
    assert any("2 annotations are of no picture" in each for each in reading.notes)


@pytest.mark.parametrize("how", ["absolute", "dots", "link"])
def test_no_picture_outside_the_folder_is_taken(tmp_path: Path, how: str) -> None:
    private = picture(tmp_path / "private/me.jpg")
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    name = {"absolute": str(private), "dots": "../private/me.jpg", "link": "l.jpg"}[how]
    if how == "link":
        (data / "images/l.jpg").symlink_to(private)
    write(data / "annotations/instances.json", [ENTRY], [IMAGE | {"file_name": name}])
    assert [each.file for each in read(data)] == [None]
    assert [each.file for each in read(data, media=private.parent)] == ([None] if how == "link" else [private])


def test_an_object_that_two_people_marked_comes_once(tmp_path: Path) -> None:
    """Label Studio's own COCO (SDK 2.1.2) has the picture twice then, with one name; a picture with nothing on it has no size."""
    picture(tmp_path / "images/a.jpg")
    picture(tmp_path / "images/b.jpg")
    images = [{**IMAGE, "id": at, "file_name": "images/a.jpg"} for at in (0, 1)]
    images.append({"id": 2, "file_name": "images/b.jpg", "width": None, "height": None})
    second = {**ENTRY, "id": 2, "image_id": 1, "bbox": [9, 6, 32, 24]}
    other = {**ENTRY, "id": 3, "image_id": 1, "category_id": 2, "bbox": [60, 6, 30, 24]}
    write(tmp_path / "result.json", [{**ENTRY, "image_id": 0}, second, other], images)
    first, empty = read(tmp_path)
    assert boxes(first) == [("mina", BOX), ("otto", (60.0, 6.0, 90.0, 30.0))]
    assert boxes(empty) == [] and not empty.unread


@pytest.mark.parametrize("stray", [{"image_id": 9}, {"image_id": None}, []])
def test_an_annotation_of_no_listed_picture_may_be_that_of_an_empty_one(tmp_path: Path, stray: Any) -> None:
    """A file cut by hand, or with ids mixed up: what has no box is not said to have nothing in it."""
    images = [IMAGE, IMAGE | {"id": 2, "file_name": "b.jpg"}]
    for image in images:
        picture(tmp_path / image["file_name"])
    write(tmp_path / "x.json", [ENTRY, {**ENTRY, "id": 2, **stray} if isinstance(stray, dict) else stray], images)
    reading = ImportLog()
    found = read(tmp_path, reading)
    assert [(len(each.boxes), [mark.kind for mark in each.unread]) for each in found] == [(1, []), (0, ["no picture"])]
    assert [*reading.notes] == ["x.json: 1 annotations are of no picture that it lists"]


def test_ids_are_compared_as_what_they_mean(tmp_path: Path) -> None:
    """7.0 is 7; LVIS has addresses for file names; a name may be a number."""
    picture(tmp_path / "train2017/a.jpg")
    image = {"id": 7.0, "coco_url": "http://images.example.org/train2017/a.jpg"}
    write(tmp_path / "x.json", [ENTRY | {"image_id": 7, "category_id": 3.0}], [image], categories=[{"id": 3, "name": 12}])
    assert boxes(read(tmp_path)[0]) == [("12", BOX)]


@pytest.mark.parametrize("what", ["images", "categories"])
def test_an_id_of_two_things_is_of_neither(tmp_path: Path, what: str) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    images = [IMAGE, IMAGE | {"id": 1 if what == "images" else 2, "file_name": "b.jpg"}]
    twice = [{"id": 1, "name": "mina"}, {"id": 1, "name": "otto"}]
    write(
        tmp_path / "x.json",
        [ENTRY, ENTRY | {"id": 2, "image_id": images[1]["id"]}],
        images,
        **({"categories": twice} if what == "categories" else {}),
    )
    kind = "doubled id" if what == "images" else "unknown category"
    assert [(boxes(each), [mark.kind for mark in each.unread]) for each in read(tmp_path)] == [([], [kind])] * 2


def test_a_file_of_another_encoding_ends_the_import(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "train.json", [ENTRY])
    (tmp_path / "valid.json").write_bytes('{"images": [{"file_name": "李.jpg"}]}'.encode("gbk"))
    with pytest.raises(ImportUnreadable, match=r"valid\.json is no text in UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize("size", [10**400, float("inf"), "96", -1])
def test_an_absurd_size_costs_its_picture_only(tmp_path: Path, size: Any) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "x.json", [ENTRY], [IMAGE | {"width": size, "height": size}])
    assert len(read(tmp_path)) in (0, 1)


@pytest.mark.parametrize("odd", [[], {}, None, True, 10**400])
def test_a_picture_of_ours_with_an_odd_number_is_read_or_refused_by_name(tmp_path: Path, odd: Any) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "instances.json", [ENTRY], [IMAGE | {"id": odd, "dinolabel": {"task": 1, "address": "a.jpg"}}])
    log = ImportLog()
    assert len(read(tmp_path, log)) + len(log.refused) <= 2
