"""PASCAL VOC as other tools write it: where pictures lie, how corners count, and what an object lacks."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from dinolabel.exporters.importers import voc
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable

SIZE = (200, 100)
BNDBOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox>"
OBJECT = f"<object><name>jason</name>{BNDBOX}</object>"


def picture(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", size, (90, 120, 30)).save(path)
    return path


def xml(path: Path, *objects: str, filename: str | None = "a.jpg", size: tuple[int, int] | None = SIZE, head: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = f"<filename>{filename}</filename>" if filename is not None else ""
    sized = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    path.write_text(f"{head}<annotation>{said}{sized}{''.join(objects)}</annotation>", encoding="utf-8")
    return path


def only(path: Path, media: Path | None = None) -> ImportedImage:
    (found,) = voc.read(path, media)
    return found


def corners(found: ImportedImage) -> list[tuple[float, ...]]:
    return [each.box.xyxy for each in found.boxes]


@pytest.mark.parametrize(
    ("annotation", "image", "filename", "read"),
    [
        ("Annotations/a.xml", "JPEGImages/a.jpg", "a.jpg", "."),
        ("Annotations/a.xml", "JPEGImages/a.JPG", "a", "."),  # a name without its suffix
        ("Annotations/a.xml", "images/a.png", "a.png", "."),
        ("Annotations/a.xml", "JPEGImages/a.jpg", "a.jpg", "Annotations/a.xml"),
        ("Annotations/a.xml", "JPEGImages/a.jpg", None, "Annotations"),
        ("a.xml", "a.jpg", "a.jpg", "."),  # labelImg
        ("a.xml", "a.jpg", "C:\\Users\\me\\a.jpg", "."),
        ("a.xml", "a.jpg", "old name.jpg", "."),  # both were renamed
        ("train/a.xml", "train/a.jpg", "a.jpg", "."),  # Roboflow
        ("b.xml", "a.jpg", "a.jpg", "."),
        ("Annotations/sub/a.xml", "JPEGImages/sub/a.jpg", "sub/a.jpg", "."),  # datumaro
        ("labels/a.xml", "data/a.jpg", "a.jpg", "."),  # FiftyOne
        ("VOC2012/Annotations/a.xml", "VOC2012/JPEGImages/a.jpg", "a.jpg", "."),
    ],
)
def test_a_picture_is_found(tmp_path: Path, annotation: str, image: str, filename: str | None, read: str) -> None:
    expected = picture(tmp_path / image)
    xml(tmp_path / annotation, OBJECT, filename=filename)
    found = only(tmp_path / read)
    assert found.file == expected and corners(found) == [(10, 20, 40, 60)]
    assert found.boxes[0].label == "jason" and not found.unread and found.task is None


def test_pictures_that_lie_elsewhere_are_named(tmp_path: Path) -> None:
    elsewhere = picture(tmp_path / "pictures/deep/a.jpg")
    xml(tmp_path / "voc/Annotations/a.xml", OBJECT)
    assert only(tmp_path / "voc").file is None
    assert only(tmp_path / "voc", tmp_path / "pictures").file == elsewhere


def test_a_data_set_names_no_file_outside(tmp_path: Path) -> None:
    picture(tmp_path / "secret.jpg")
    xml(tmp_path / "voc/Annotations/a.xml", OBJECT, filename="../../secret.jpg")
    xml(tmp_path / "voc/Annotations/b.xml", OBJECT, filename=str(tmp_path / "secret.jpg"))
    assert [each.file for each in voc.read(tmp_path / "voc", None)] == [None, None]


@pytest.mark.parametrize(
    ("bndbox", "expected"),
    [
        ((1, 1, 200, 100), (0, 0, 200, 100)),  # the whole picture, as VOC says
        ((1, 1, 1, 1), (0, 0, 1, 1)),
        ((0, 0, 199, 99), (0, 0, 199, 99)),  # counts from 0
        ((0, 21, 40, 60), (0, 21, 40, 60)),
        ((150, 50, 260, 140), (149, 49, 200, 100)),  # beyond the edge
        ((11.5, 21.25, 40.5, 60.0), (11.5, 21.25, 40.5, 60.0)),  # decimals are places
    ],
)
def test_how_corners_count(tmp_path: Path, bndbox: tuple[float, ...], expected: tuple[float, ...]) -> None:
    values = "".join(f"<{name}>{value}</{name}>" for name, value in zip(voc.CORNERS, bndbox, strict=True))
    found = only(xml(tmp_path / "a.xml", f"<object><name>jason</name><bndbox>{values}</bndbox></object>"))
    assert corners(found) == [expected]


def test_a_corner_at_zero_tells_for_its_whole_file(tmp_path: Path) -> None:
    zero = "<object><name>lacy</name><bndbox><xmin>0</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    assert corners(only(xml(tmp_path / "a.xml", OBJECT, zero))) == [(11, 21, 40, 60), (0, 5, 9, 9)]


@pytest.mark.parametrize("size", [None, (0, 0), (200, 0)])
def test_a_size_that_is_missing_is_measured(tmp_path: Path, size: tuple[int, int] | None) -> None:
    xml(tmp_path / "a.xml", OBJECT, size=size)
    reading = ImportLog()
    assert not list(voc.read(tmp_path, None, reading))
    assert [(each.name, each.why) for each in reading.refused] == [
        ("a.jpg", "The picture is not here, and the file does not say its size.")
    ]
    picture(tmp_path / "a.jpg")
    found = only(tmp_path)
    assert (found.width, found.height) == SIZE and corners(found) == [(10, 20, 40, 60)] and not found.unread


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("<object><name>jason</name></object>", "object"),
        ("<object><name>jason</name><polygon><x1>1</x1><y1>2</y1></polygon></object>", "object"),
        ("<object><name>jason</name><bndbox><xmin>1</xmin></bndbox></object>", "object"),
        (f"<object><name>jason</name>{BNDBOX.replace('40', 'nan')}</object>", "object"),
        (f"<object><name>jason</name>{BNDBOX}{BNDBOX.replace('40', '90')}</object>", "object"),
        (f"<object><name>jason</name>{BNDBOX.replace('40', '5')}</object>", "box"),
        (f"<object><name>jason</name>{BNDBOX.replace('<xmin>11', '<xmin>400').replace('40<', '450<')}</object>", "outside"),
    ],
)
def test_an_object_that_cannot_be_used_leaves_its_picture_undecided(tmp_path: Path, entry: str, kind: str) -> None:
    found = only(xml(tmp_path / "a.xml", OBJECT, entry))
    assert corners(found) == [(10, 20, 40, 60)]
    assert [(each.region, each.kind) for each in found.unread] == [("a.xml object 2", kind)]


def test_parts_of_an_object_are_none(tmp_path: Path) -> None:
    part = BNDBOX.replace("11", "15")
    found = only(xml(tmp_path / "a.xml", f"<object><name>person</name>{BNDBOX}<part><name>head</name>{part}</part></object>"))
    assert [(each.label, each.box.xyxy) for each in found.boxes] == [("person", (10, 20, 40, 60))]


def test_a_turned_box_of_rolabelimg(tmp_path: Path) -> None:
    turned = "<robndbox><cx>100</cx><cy>50</cy><w>40</w><h>20</h><angle>1.5707963</angle></robndbox>"
    found = only(xml(tmp_path / "a.xml", f"<object><type>robndbox</type><name>jason</name>{turned}</object>"))
    (box,) = found.boxes
    assert box.box.xyxy == pytest.approx((90, 30, 110, 70), abs=1e-3)
    assert box.quad is not None and box.quad[0] == pytest.approx((110, 30), abs=1e-3)


def test_a_picture_without_objects_is_left_empty(tmp_path: Path) -> None:
    found = only(xml(tmp_path / "a.xml"))
    assert not found.boxes and not found.unread and found.looked_at


def test_one_broken_file_costs_its_picture_only(tmp_path: Path) -> None:
    xml(tmp_path / "a.xml", OBJECT)
    (tmp_path / "b.xml").write_text("<annotation><object>")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    xml(tmp_path / "c.xml", "<object><name>&b;</name></object>", head=bomb)
    reading = ImportLog()
    (good,) = voc.read(tmp_path, None, reading)
    assert len(good.boxes) == 1
    assert [(each.name, each.why[:23]) for each in reading.refused] == [(f"{name}.xml", "The file cannot be read") for name in "bc"]


@pytest.mark.parametrize(
    ("stated", "actual", "expected"),
    [
        ((200, 100), (400, 200), [(20, 40, 80, 120)]),  # of a smaller copy: boxes are shares
        ((200, 100), (100, 50), [(5, 10, 20, 30)]),
        ((200, 100), (100, 200), None),  # another picture
    ],
)
def test_a_size_of_another_copy(
    tmp_path: Path, stated: tuple[int, int], actual: tuple[int, int], expected: list[tuple[float, ...]] | None
) -> None:
    picture(tmp_path / "a.jpg", actual)
    xml(tmp_path / "a.xml", OBJECT, size=stated)
    reading = ImportLog()
    found = list(voc.read(tmp_path, None, reading))
    assert ([corners(each) for each in found], len(reading.refused)) == (([expected], 0) if expected else ([], 1))


@pytest.mark.parametrize("content", [None, "<annotations><image/></annotations>", "<annotation"])
def test_what_is_no_voc_is_said(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.xml").write_text(content)
    with pytest.raises(ImportUnreadable, match="no PASCAL VOC file"):
        list(voc.read(tmp_path, None))
    with pytest.raises(ImportUnreadable, match="no PASCAL VOC file"):
        list(voc.read(tmp_path / "nowhere", None))


def test_a_box_that_somebody_moved_since_counts_as_it_is_now(tmp_path: Path) -> None:
    exact = "<exact>10.2500 20.5000 39.7500 59.7500</exact><given_label>jason</given_label>"
    entry = f"<object><name>jason</name>{BNDBOX}{exact}</object>"
    assert corners(only(xml(tmp_path / "a.xml", entry))) == [(10.25, 20.5, 39.75, 59.75)]
    assert corners(only(xml(tmp_path / "a.xml", entry.replace("<xmax>40", "<xmax>80")))) == [(10, 20, 80, 60)]


@pytest.mark.parametrize(
    ("entry", "head", "expected"),
    [
        (OBJECT, "", (10, 20, 40, 60)),
        (OBJECT.replace("11<", "11.0<"), "", (11, 21, 40, 60)),  # datumaro, and CVAT by it
        (OBJECT, "<owner><name>Label Studio</name></owner>", (11, 21, 40, 60)),
        (OBJECT.replace("11<", "0<"), "", (0, 21, 40, 60)),
    ],
)
def test_what_the_first_pixel_is_called(tmp_path: Path, entry: str, head: str, expected: tuple[float, ...]) -> None:
    picture(tmp_path / "a.jpg")
    assert corners(only(xml(tmp_path / "a.xml", head, entry))) == [expected]


def test_what_was_noted_is_kept(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    colour = "<attributes><attribute><name>colour</name><value>red</value></attribute></attributes>"
    noted = f"<occluded>1</occluded><difficult>0</difficult>{colour}"
    found = only(xml(tmp_path / "a.xml", OBJECT.replace("</name>", f"</name>{noted}")))
    assert found.boxes[0].attributes == (("occluded", ""), ("colour", "red"))


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    mine = picture(tmp_path / "mine/a.jpg")
    (tmp_path / "in").mkdir()
    xml(tmp_path / "in/a.xml", OBJECT)
    (tmp_path / "in/a.jpg").symlink_to(mine)
    assert only(tmp_path / "in").file is None
    assert only(tmp_path / "in", tmp_path / "mine").file == mine
