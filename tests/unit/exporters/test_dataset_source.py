"""What a person names: the format is told from the data, a zip is unpacked and bounded, and nothing leaves its folder."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dinolabel.exporters import formats, importers
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.sources import archive
from dinolabel.exporters.importers.sources.dataset_source import NOT_HERE, DatasetSource, open_source
from dinolabel.vision.errors import DinolabelError, RequestError, UnknownPlug
from tests.doubles.annotated import mixed
from tests.unit.exporters import test_incoming_cvat, test_incoming_labelme, test_incoming_voc, test_incoming_xmp
from tests.unit.exporters.test_incoming_coco import BOX, ENTRY, boxes, picture
from tests.unit.exporters.test_incoming_coco import write as write_coco
from tests.unit.exporters.test_incoming_yolo import LAYOUTS
from tests.unit.exporters.test_incoming_yolo import write as write_yolo


def coco(root: Path) -> None:
    picture(root / "images/a.jpg")
    write_coco(root / "result.json", [ENTRY])


def yolo(root: Path) -> None:
    write_yolo(root, LAYOUTS["Label Studio"])


def cvat(root: Path) -> None:
    picture(root / "images/a.jpg")
    test_incoming_cvat.write(root / "annotations.xml", test_incoming_cvat.SHAPE)


def labelme(root: Path) -> None:
    picture(root / "a.jpg")
    (root / "classes.txt").write_text("mina\n")  # as X-AnyLabeling keeps it
    test_incoming_labelme.write(root / "a.json", test_incoming_labelme.SHAPE)


def voc(root: Path) -> None:
    picture(root / "JPEGImages/a.jpg")
    bndbox = "<bndbox><xmin>9</xmin><ymin>7</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>"
    test_incoming_voc.xml(root / "Annotations/a.xml", f"<object><name>mina</name>{bndbox}</object>", size=(96, 64))


def xmp(root: Path) -> None:
    picture(root / "2024/a.jpg")  # an album is no class
    test_incoming_xmp.write(root / "2024/a.jpg.xmp", test_incoming_xmp.mwg(test_incoming_xmp.FACE))


def crops(root: Path) -> None:
    picture(root / "train/mina/a.jpg", (32, 24))


def labelstudio(root: Path) -> None:
    picture(root / "a.jpg")
    shares = {"x": 100 / 12, "y": 100 * 6 / 64, "width": 100 / 3, "height": 37.5, "rotation": 0, "rectanglelabels": ["mina"]}
    region = {"id": "r", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": shares}
    sized = {"original_width": 96, "original_height": 64, "image_rotation": 0}
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}, "annotations": [{"id": 1, "result": [{**region, **sized}]}]}
    (root / "project.json").write_text(json.dumps([task]))


MADE: dict[str, Callable[[Path], None]] = {
    "coco": coco, "crops": crops, "cvat": cvat, "labelme": labelme, "labelstudio": labelstudio, "voc": voc, "xmp": xmp, "yolo": yolo,
}  # fmt: skip


def zipped(folder: Path, path: Path, root: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                packed.write(each, f"{root}{each.relative_to(folder)}")
    return path


def opened(path: Path, name: str | None = None) -> tuple[DatasetSource, list[ImportedImage]]:
    reading = ImportLog()
    source = open_source(name, path, reading)
    return source, list(source.read(None, reading))


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("way", ["folder", "in a folder", "zip", "zip of a folder"])
def test_the_format_is_told_and_read(tmp_path: Path, name: str, way: str) -> None:
    root = tmp_path / "in"
    root.mkdir()
    MADE[name](root)
    path = {
        "folder": lambda: root,
        "in a folder": lambda: root.rename((tmp_path / "out").mkdir() or tmp_path / "out/set").parent,
        "zip": lambda: zipped(root, tmp_path / "in.zip"),
        "zip of a folder": lambda: zipped(root, tmp_path / "in.zip", "set/"),
    }[way]()
    source, (found,) = opened(path)
    expected = (0, 0, 32, 24) if name == "crops" else BOX
    assert source.name == name and [(label, pytest.approx(box, abs=0.001)) for label, box in boxes(found)] == [("mina", expected)]
    assert found.file is not None and source.words and not Path(source.place(found.file)).is_absolute()
    if way != "in a folder":  # a person who names the format names the folder too
        again = open_source(name, path, ImportLog())
        assert [boxes(each) for each in again.read(None, ImportLog())] == [boxes(found)]


@pytest.mark.parametrize("name", formats.names())
def test_our_own_exports_are_told(tmp_path: Path, name: str) -> None:
    world = mixed(tmp_path / "pictures")
    formats.load(name).export(world.tasks, world.config, tmp_path / "out", open_image=world.open, find=world.find, xml=world.xml)
    assert open_source(None, tmp_path / "out", ImportLog()).name == name


@pytest.mark.parametrize(
    ("files", "error", "says"),
    [
        ({}, ImportUnreadable, "in none of the formats"),
        ({"a.jpg": None, "notes.txt": "hello"}, ImportUnreadable, "in none of the formats"),
        ({"images/a.jpg": None, "labels/a.txt": "0 0.5 0.5 0.5 0.5"}, ImportUnreadable, "in none of the formats"),  # classes are missing
        ({"images/a.jpg": None, "classes.txt": "mina"}, ImportUnreadable, "in none of the formats"),
        ({"package.json": "{}", "a.xml": "<svg/>", "x.yaml": "a: [", "empty.json": ""}, ImportUnreadable, "in none of the formats"),
        ({"a.zip": b"PK"}, ImportUnreadable, r"holds no data set, but a\.zip"),
        ({**LAYOUTS["ours"], "a.xml": "<annotation><filename>a.jpg</filename></annotation>"}, RequestError, "may be voc .* yolo"),
    ],
)
def test_what_nobody_knows_is_said(tmp_path: Path, files: dict[str, str | bytes | None], error: type[DinolabelError], says: str) -> None:
    write_yolo(tmp_path, files)
    with pytest.raises(error, match=says):
        open_source(None, tmp_path, ImportLog())


def test_an_unknown_format_and_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownPlug, match="'pdf'; there are: coco"):
        open_source("pdf", tmp_path, ImportLog())
    with pytest.raises(ImportUnreadable, match="no file or folder"):
        open_source(None, tmp_path / "gone", ImportLog())


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_folder_of_pictures_that_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    MADE[name](tmp_path)
    with pytest.raises(ImportUnreadable, match="There is no folder nowhere"):
        list(open_source(name, tmp_path, ImportLog()).read(Path("nowhere"), ImportLog()))


def test_a_picture_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    write_coco(tmp_path / "result.json", [ENTRY])
    reading = ImportLog()
    assert list(open_source(None, tmp_path, reading).read(None, reading)) == []
    assert [(each.name, each.why) for each in reading.refused] == [("a.jpg", NOT_HERE)]


@pytest.mark.parametrize("name", ["labelme", "voc"])
def test_what_several_files_say_of_a_picture_is_put_together(tmp_path: Path, name: str) -> None:
    """The second would be a picture that arrives twice: its box lost, and the first one's "nothing here" approved."""
    MADE[name](tmp_path)
    for file in tmp_path.rglob("*.json" if name == "labelme" else "*.xml"):
        text = file.read_text()
        empty = json.dumps(json.loads(text) | {"shapes": []}) if name == "labelme" else text[: text.index("<object>")] + "</annotation>"
        file.with_stem("0").write_text(empty)
    (found,) = open_source(name, tmp_path, ImportLog()).read(None, ImportLog())
    assert boxes(found) == [("mina", BOX if name == "labelme" else (8.0, 6.0, 40.0, 30.0))]


def test_errors_speak_of_the_zip_and_not_of_where_it_was_unpacked(tmp_path: Path) -> None:
    path, reading = pack(tmp_path / "x.zip", ("a/notes.txt", b"x")), ImportLog()
    with pytest.raises(ImportUnreadable, match=r"^\S+/x\.zip is in none of the formats"):
        open_source(None, path, reading)
    with pytest.raises(ImportUnreadable, match=r"in \S+/x\.zip\.$"):
        list(open_source("coco", path, reading).read(None, reading))


def pack(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in entries:
            packed.writestr(name, data)
    return path


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target.encode()


def test_nothing_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    names = ["../evil.jpg", "/tmp/dinolabel-evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:\\evil.jpg", "file", "file/under.jpg"]
    path = pack(tmp_path / "x.zip", *((name, b"x") for name in names), link("out", str(tmp_path / "mine")), ("out/evil.jpg", b"x"))
    reading = ImportLog()
    folder = archive.unpack(path, reading)
    assert sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*")) == ["file", "out", "out/evil.jpg"]
    assert not (folder / "out").is_symlink() and list((tmp_path / "mine").iterdir()) == []
    assert [*reading.notes] == ["7 files of x.zip are links, or lead out of it, and are left out"]


def test_names_are_as_they_were(tmp_path: Path) -> None:
    more = ("Grüße/a.jpg", "win\\b.jpg", "mac-XXXX.jpg", "__MACOSX/._a.jpg", ".DS_Store")
    path = pack(tmp_path / "x.zip", *((name, b"x") for name in more))
    path.write_bytes(path.read_bytes().replace(b"mac-XXXX", "mac-ÄÄ".encode()))  # a Mac writes UTF-8 and does not say so
    folder = archive.unpack(path, ImportLog())
    found = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    assert found == ["Grüße/a.jpg", "mac-ÄÄ.jpg", "win/b.jpg"]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"MOST_FILES": 2}, "would unpack to 3 files"),
        ({"MOST_BYTES": 100_000}, "which may be an attack"),
        ({"SMALL": 100_000}, "which may be an attack"),
        ({"FREE": 10**18}, "are free where temporary files lie"),
    ],
)
def test_a_zip_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], says: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in "abc":
            packed.writestr(name, b"\0" * 100_000)
    for name, value in limits.items():
        monkeypatch.setattr(archive, name, value)
    with pytest.raises(ImportUnreadable, match=says):
        open_source(None, tmp_path / "x.zip", ImportLog())


def test_what_is_no_zip_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 cut short")
    (tmp_path / "b.tar.gz").write_bytes(b"\x1f\x8b")
    locked = zipfile.ZipInfo("a.jpg")
    pack(tmp_path / "c.zip", (locked, b"x"))
    data = bytearray((tmp_path / "c.zip").read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the directory says that it is locked
    (tmp_path / "c.zip").write_bytes(data)
    for name, says in (("a.zip", "no zip that can be read"), ("b.tar.gz", "of a kind that is not read"), ("c.zip", "password")):
        with pytest.raises(ImportUnreadable, match=says):
            open_source("coco", tmp_path / name, ImportLog())


def test_every_reader_tells_what_it_knows() -> None:
    assert all(hasattr(importers.load(name), "recognise") for name in importers.names())
