"""CVAT's XML as CVAT and datumaro write it: every shape is a box at the right place, or the word why it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.exporters.importers import cvat
from dinolabel.exporters.importers.common.annotation_results import annotation_results
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.studio.label_configs.label_config import LabelConfig
from tests.doubles.annotated import xml
from tests.unit.exporters.test_incoming_coco import BOX, boxes, picture

PLACE = 'xtl="8.00" ytl="6.00" xbr="40.00" ybr="30.00"'
SHAPE = f'<box label="mina" source="manual" occluded="0" {PLACE} z_order="0"></box>'


def write(path: Path, *images: str) -> Path:
    """An export whose pictures hold these shapes; the first is a.jpg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        f'<image id="{number}" name="{name}.jpg" subset="default" task_id="1" width="96" height="64">{shapes}</image>'
        for number, (name, shapes) in enumerate(zip("abcdef", images, strict=False))
    ]
    path.write_text(f"<?xml version='1.0' encoding='utf-8'?>\n<annotations><version>1.1</version><meta/>{''.join(listed)}</annotations>")
    return path


def read(path: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[ImportedImage]:
    return list(cvat.read(path, media, reading or ImportLog()))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (SHAPE, BOX),
        (f'<box label="mina" {PLACE}/>', BOX),
        ('<polygon label="mina" points="8.00,6.00;40.00,6.00;40.00,30.00;20,28"/>', BOX),
        ('<mask label="mina" rle="0, 768" left="8" top="6" width="32" height="24"/>', BOX),
        ('<ellipse label="mina" cx="24" cy="18" rx="16" ry="12"/>', BOX),
        ('<ellipse label="mina" cx="24" cy="18" rx="12" ry="16" rotation="90"/>', BOX),
        ('<cuboid label="mina" xtl1="8" ytl1="6" xbl1="8" ybl1="30" xtr1="30" ytr1="6" xbr1="40" ybr1="30" xtl2="9" ytl2="7"/>', BOX),
        ('<polyline label="mina" points="1,1;9,9"/>', "line"),
        ('<points label="mina" points="1,1"/>', "points"),
        ('<skeleton label="mina"><points label="eye" points="1,1"/></skeleton>', "skeleton"),
        ('<polygon label="mina" points="1,1;2,2"/>', "polygon"),
        ('<polygon label="mina" points="1,1;2;3,3"/>', "polygon"),
        ('<box label="mina" xtl="8" ytl="6" xbr="40"/>', "box"),
        ('<box label="mina" xtl="8" ytl="6" xbr="nan" ybr="30"/>', "box"),
        ('<box label="mina" xtl="8" ytl="6" xbr="8" ybr="30"/>', "no size"),
        ('<brush label="mina"/>', "brush"),
    ],
)
def test_every_shape_is_a_box_or_a_word(tmp_path: Path, shape: str, expected: tuple[float, ...] | str) -> None:
    picture(tmp_path / "images/a.jpg")
    (found,) = read(write(tmp_path / "annotations.xml", shape))
    if isinstance(expected, str):
        assert not found.boxes and [mark.kind for mark in found.unread] == [expected]
    else:
        assert [(label, pytest.approx(box)) for label, box in boxes(found)] == [("mina", expected)] and not found.unread


def test_rotation_and_what_was_noted_are_kept(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    noted = '<attribute name="colour">red</attribute><attribute name="tail">true</attribute>'
    (found,) = read(write(tmp_path / "annotations.xml", f'<box label="mina" occluded="1" {PLACE} rotation="30.00">{noted}</box>'))
    (box,) = found.boxes
    assert box.attributes == (("occluded", ""), ("colour", "red"), ("tail", "true"))
    ((region,),) = annotation_results(found, LabelConfig.parse(xml("mina")), "cvat: old")
    assert region["value"]["rotation"] == pytest.approx(30) and region["value"]["width"] == pytest.approx(100 * 32 / 96)
    assert region["meta"]["text"] == ["imported from cvat: old, image 0 box 1\n", "occluded, colour red, tail true\n"]


@pytest.mark.parametrize(
    ("annotations", "image", "said"),
    [
        ("annotations.xml", "images/a.jpg", "."),
        ("annotations.xml", "images/default/a.jpg", "."),  # of a project, by subset
        ("annotations.xml", "a.jpg", "annotations.xml"),
        ("default.xml", "images/a.jpg", "."),  # datumaro
        ("job 7/annotations.xml", "job 7/images/a.jpg", "."),
        ("x.xml", "elsewhere/deep/a.jpg", "."),
    ],
)
def test_where_files_lie(tmp_path: Path, annotations: str, image: str, said: str) -> None:
    expected = picture(tmp_path / image)
    write(tmp_path / annotations, SHAPE)
    (found,) = read(tmp_path / said)
    assert found.file == expected and boxes(found) == [("mina", BOX)]


def test_what_a_picture_lacks_is_told_apart(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / f"images/{name}.jpg", (64, 96) if name == "c" else (96, 64))
    reading = ImportLog()
    found = read(write(tmp_path / "annotations.xml", SHAPE, "", SHAPE, '<tag label="sunny"/>', SHAPE), reading)
    assert [(each.name, len(each.boxes), each.file is not None) for each in found] == [
        ("a.jpg", 1, True), ("b.jpg", 0, True), ("d.jpg", 0, True), ("e.jpg", 1, False),
    ]  # fmt: skip
    assert [each.name for each in reading.refused] == ["c.jpg"] and [*reading.notes.values()] == [["d.jpg"]]


def test_two_jobs_of_one_picture_are_put_together(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    write(tmp_path / "one.xml", SHAPE)
    write(tmp_path / "two.xml", SHAPE + SHAPE.replace("mina", "otto"))
    (found,) = read(tmp_path)
    assert boxes(found) == [("mina", BOX), ("otto", BOX)]


def test_a_turned_photo_is_as_cvat_shows_it(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", (64, 96), turn=6)
    (found,) = read(write(tmp_path / "annotations.xml", SHAPE))
    assert (found.width, found.height) == (96, 64) and boxes(found) == [("mina", BOX)]


def test_pictures_outside_come_with_media_only(tmp_path: Path) -> None:
    data = write(tmp_path / "data/annotations.xml", SHAPE).parent
    (data / "images").mkdir()
    (data / "images/a.jpg").symlink_to(picture(tmp_path / "mine/a.jpg"))
    assert [each.file for each in read(data)] == [None]
    assert [each.file for each in read(data, media=tmp_path / "mine")] == [tmp_path / "mine/a.jpg"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<annotation><object/></annotation>", "no annotations.xml of CVAT"),
        ("<annotations><track id='0' label='mina'><box frame='0'/></track></annotations>", "is CVAT for video"),
        ("<annotations><image id='0' name='a.jpg'/></annotations>", "lists 1 pictures and not one annotation"),
        ("<annotations><image id='0' name='a.jpg'><tag label='cat'/></image></annotations>", "not one annotation of a place"),
        ("<annotations><image", "cannot be read"),
        ("<!DOCTYPE x [<!ENTITY a 'aa'>]><annotations><image name='&a;'/></annotations>", "cannot be read"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "annotations.xml").write_text(content)
    with pytest.raises(ImportUnreadable, match=says):
        read(tmp_path / "annotations.xml")
