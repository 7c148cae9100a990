"""labelme's and X-AnyLabeling's JSON as these tools write it: shapes, and where their pictures are."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.exporters.importers import labelme
from dinolabel.exporters.importers.common.marks import corners
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import draw_region
from tests.doubles.annotated import xml
from tests.unit.exporters.test_incoming_coco import BOX, boxes, picture

FOUR = [[8, 6], [40, 6], [40, 30], [8, 30]]
SHAPE: dict[str, Any] = {"label": "mina", "points": [[8, 6], [40, 30]], "group_id": None, "shape_type": "rectangle", "flags": {}}


def write(path: Path, *shapes: dict[str, Any], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.jpg", "imageData": None}
    path.write_text(json.dumps({**content, "imageHeight": 64, "imageWidth": 96, **more}), encoding="utf-8")
    return path


def read(path: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[ImportedImage]:
    return list(labelme.read(path, media, reading or ImportLog()))


def png(width: int, height: int) -> str:
    file = io.BytesIO()
    PIL.Image.new("L", (width, height), 255).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({}, BOX),
        ({"points": [[40, 30], [8, 6]]}, BOX),  # drawn from the other corner
        ({"points": [[8, 30], [40, 6]]}, BOX),
        ({"points": FOUR}, BOX),  # X-AnyLabeling
        ({"points": FOUR[::-1]}, BOX),
        ({"points": FOUR[2:] + FOUR[:2]}, BOX),
        ({"shape_type": "polygon", "points": [*FOUR, [20, 20]]}, BOX),
        ({"shape_type": None, "points": FOUR}, BOX),  # labelme 3
        ({"shape_type": "quadrilateral", "points": FOUR}, BOX),
        ({"shape_type": "cuboid", "points": FOUR + FOUR}, BOX),
        ({"shape_type": "oriented_rectangle", "points": FOUR}, BOX),
        ({"shape_type": "circle", "points": [[24, 18], [24, 30]]}, (12, 6, 36, 30)),
        ({"shape_type": "mask", "points": [[8, 6], [39, 29]], "mask": png(32, 24)}, BOX),
        ({"shape_type": "mask", "points": [[8, 6], [40, 30]], "mask": None}, BOX),
        ({"points": [[-4, 6], [40, 30]]}, (0, 6, 40, 30)),
        ({"shape_type": "point", "points": [[8, 6]]}, "point"),
        ({"shape_type": "line", "points": [[8, 6], [9, 9]]}, "line"),
        ({"shape_type": "linestrip", "points": FOUR}, "line"),
        ({"shape_type": "polygon", "points": [[8, 6], [9, 9]]}, "polygon"),
        ({"points": [[8, 6]]}, "rectangle"),
        ({"points": [[8, 6], [8, 30]]}, "no size"),
        ({"points": [["a", 6], [8, 30]]}, "rectangle"),
        ({"points": [[math.inf, 6], [8, 30]]}, "rectangle"),
        ({"points": None}, "rectangle"),
        ({"shape_type": "blob"}, "blob"),
        ({"points": [[200, 200], [300, 300]]}, "outside"),
    ],
)
def test_every_shape_is_a_box_or_a_word(tmp_path: Path, shape: dict[str, Any], expected: tuple[float, ...] | str) -> None:
    picture(tmp_path / "a.jpg")
    (found,) = read(write(tmp_path / "a.json", {**SHAPE, **shape}))
    if isinstance(expected, str):
        assert not found.boxes and [mark.kind for mark in found.unread] == [expected]
    else:
        assert [(label, pytest.approx(box)) for label, box in boxes(found)] == [("mina", expected)] and not found.unread
        assert [each.quad for each in found.boxes] == [None]


@pytest.mark.parametrize("kind", ["rotation", "oriented_rectangle", "rectangle"])
def test_a_rotated_box_stays_rotated(tmp_path: Path, kind: str) -> None:
    picture(tmp_path / "a.jpg")
    shape = {**SHAPE, "shape_type": kind, "points": corners(20, 20, 40, 20, degrees=30), "direction": math.radians(30)}
    (found,) = read(write(tmp_path / "a.json", shape))
    (box,) = found.boxes
    drawn = draw_region("r", box.label, box.box, LabelConfig.parse(xml("mina")), width=96, height=64, quad=box.quad)["value"]
    assert drawn["rotation"] == pytest.approx(30) and drawn["width"] == pytest.approx(100 * 40 / 96)


def test_what_was_noted_is_kept(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    noted = {"flags": {"blurred": True, "far": False}, "attributes": {"colour": "red"}, "difficult": True}
    (found,) = read(write(tmp_path / "a.json", {**SHAPE, **noted}))
    assert found.boxes[0].attributes == (("blurred", ""), ("colour", "red"), ("difficult", ""))


@pytest.mark.parametrize(
    ("annotation", "image", "said"),
    [
        ("a.json", "a.jpg", "a.jpg"),
        ("a.json", "a.jpg", "C:\\Users\\me\\photos\\a.jpg"),
        ("a.json", "a.JPG", "old name.jpg"),  # both were renamed
        ("a.json", "images/a.jpg", "images\\a.jpg"),
        ("labels/a.json", "images/a.jpg", "../images/a.jpg"),
        ("labels/a.json", "images/a.jpg", ""),
        ("labels/a.json", "photos/deep/a.jpg", "/home/me/deep/a.jpg"),
    ],
)
def test_where_pictures_lie(tmp_path: Path, annotation: str, image: str, said: str) -> None:
    expected = picture(tmp_path / image)
    write(tmp_path / annotation, SHAPE, imagePath=said)
    (found,) = read(tmp_path)
    assert found.file == expected and boxes(found) == [("mina", BOX)]


def test_a_picture_that_the_file_holds(tmp_path: Path) -> None:
    data = base64.b64encode(picture(tmp_path / "other/a.jpg").read_bytes()).decode()
    (found,) = read(write(tmp_path / "in/a.json", SHAPE, imageData=data))
    assert found.file is not None and found.name == "a.jpg" and boxes(found) == [("mina", BOX)]


def test_pictures_outside_come_with_media_only(tmp_path: Path) -> None:
    mine = picture(tmp_path / "mine/a.jpg")
    data = write(tmp_path / "data/a.json", SHAPE, imagePath="../mine/a.jpg")
    assert [each.file for each in read(data)] == [None]
    (data.parent / "a.jpg").symlink_to(mine)
    assert [each.file for each in read(data.parent)] == [None]
    assert [each.file for each in read(data.parent, media=mine.parent)] == [mine]


def test_what_a_picture_lacks_is_told_apart(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / f"{name}.jpg")
    write(tmp_path / "a.json", SHAPE, {**SHAPE, "shape_type": "point", "points": [[1, 1]]})
    write(tmp_path / "b.json", imagePath="b.jpg")  # saved without a shape: nothing is there
    write(tmp_path / "c.json", SHAPE, imagePath="c.jpg", imageWidth=50, imageHeight=50)
    (tmp_path / "d.json").write_text('{"version": "5.5.0", "shapes": [{"la')
    (tmp_path / "e.json").write_bytes('{"version": "5.5.0", "shapes": [{"label": "李"}]}'.encode("gbk"))
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    (tmp_path / "other.json").write_text("[")
    reading = ImportLog()
    found = read(tmp_path, reading)
    assert [(each.name, len(each.boxes), len(each.unread)) for each in found] == [("a.jpg", 1, 1), ("b.jpg", 0, 0)]
    assert [each.name for each in reading.refused] == ["c.jpg", "d.json", "e.json"]


@pytest.mark.parametrize(("width", "height"), [(48, 32), (-1, -1), (None, None)])
def test_a_size_of_another_copy_and_none(tmp_path: Path, width: int | None, height: int | None) -> None:
    picture(tmp_path / "a.jpg")
    points = [[4, 3], [20, 15]] if width == 48 else SHAPE["points"]
    (found,) = read(write(tmp_path / "a.json", {**SHAPE, "points": points}, imageWidth=width, imageHeight=height))
    assert boxes(found) == [("mina", BOX)]


@pytest.mark.parametrize("content", [None, "[]", '{"images": []}'])
def test_what_is_no_labelme_is_said(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(ImportUnreadable, match="no JSON file of labelme"):
        read(tmp_path)
    with pytest.raises(ImportUnreadable, match="no file or folder"):
        read(tmp_path / "nowhere")


def test_a_number_that_is_too_large_for_a_place_costs_its_shape_only(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    shapes = [
        {"label": "tom", "points": [[10**400, 2], [30, 40]], "shape_type": "rectangle"},
        {"label": "tom", "points": [[1, 2], [30, 40]], "shape_type": "rectangle"},
    ]
    about = {"imagePath": "a.png", "imageHeight": 48, "imageWidth": 64, "version": "5"}
    (tmp_path / "a.json").write_text(json.dumps({**about, "shapes": shapes}))
    (found,) = labelme.read(tmp_path, None)
    assert (len(found.boxes), len(found.unread)) == (1, 1)
