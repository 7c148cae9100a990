"""Laws of an import format: each is a function of its `read`, of a data set in that format and of an empty folder."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.testing.exporters import files_in

Read = Callable[..., Iterable[ImportedImage]]


def check_importer(read: Read, data_set: Path) -> None:
    """Every law. data_set: a folder or file in the format, with at least one box and its pictures. Raises AssertionError."""
    for law in IMPORTER_LAWS:
        with tempfile.TemporaryDirectory() as empty:
            law(read, data_set, Path(empty))


def reads_boxes(read: Read, data_set: Path, empty: Path) -> None:
    """Inside their upright picture, each with an id of its own in the picture and a label as names are made, or None."""
    found = list(read(data_set, None, ImportLog()))
    assert any(each.boxes for each in found), "it reads no box"
    for image in found:
        assert isinstance(image, ImportedImage), f"it yields {type(image).__name__}, expected ImportedImage"
        assert image.file is None or image.file.is_file(), f"{image.name}: its file is not there"
        assert len({box.source for box in image.boxes}) == len(image.boxes), f"{image.name}: two boxes have one source"
        for box in image.boxes:
            assert box.box.clip(image.width, image.height) == box.box, f"{image.name}: {box.box} is not inside the picture"
            label = box.label
            assert label is None or (label and label == unicodedata.normalize("NFC", label)), f"{image.name}: the label {label!r} is none"


def reads_alike_twice(read: Read, data_set: Path, empty: Path) -> None:
    """With and without a log, and nothing of the data set is changed."""
    before = files_in(data_set) if data_set.is_dir() else {}
    one, other = ([replace(each, file=None) for each in read(data_set, None, *log)] for log in ((), (ImportLog(),)))
    assert one == other, "read twice, it is not the same"  # but for the place of pictures that were packed in a table
    assert not before or files_in(data_set) == before, "it changes the data set"


def refuses_what_is_none_of_its_format(read: Read, data_set: Path, empty: Path) -> None:
    """ImportUnreadable for an empty folder, a path that is not there and a file of something else."""
    (empty / "nothing").mkdir()
    (empty / "a.bin").write_bytes(b"\x00\xff\x00")
    for path in (empty / "nothing", empty / "gone", empty / "a.bin"):
        try:
            found = list(read(path, None, ImportLog()))
        except ImportUnreadable:
            continue
        raise AssertionError(f"{path.name} holds no data set and gave {len(found)} pictures; raise ImportUnreadable")


IMPORTER_LAWS: tuple[Callable[[Read, Path, Path], None], ...] = (
    reads_boxes,
    reads_alike_twice,
    refuses_what_is_none_of_its_format,
)
