"""Class folders as people have them: sides of a split are no classes, and everywhere else such a word is a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.exporters.importers import crops
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportUnreadable
from tests.unit.exporters.test_incoming_coco import picture


def read(path: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[tuple[str | None, str]]:
    found = crops.read(path, media, reading or ImportLog())
    return sorted((each.boxes[0].label, each.file.relative_to(path).as_posix()) for each in found if each.file)


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        (["mina/a.jpg", "otto/b.jpg"], ["mina", "otto"]),
        (["mina/2024/a.jpg", "otto/b.jpg"], ["mina", "otto"]),
        (["train/mina/a.jpg", "val/mina/b.jpg", "test/otto/c.jpg"], ["otto", "mina", "mina"]),
        (["train/mina/a.jpg"], ["mina"]),
        (["Train/mina/a.jpg", "valid/otto/2024/b.jpg"], ["mina", "otto"]),
        (["train/test/a.jpg", "val/mina/b.jpg"], ["test", "mina"]),  # below the first level it is a name
        (["train/a.jpg", "mina/b.jpg"], ["mina", "train"]),  # and beside another folder
    ],
)
def test_sides_of_a_split_name_no_class(tmp_path: Path, pictures: list[str], labels: list[str]) -> None:
    for name in pictures:
        picture(tmp_path / name)
    assert sorted(label for label, _ in read(tmp_path)) == sorted(labels)  # type: ignore[type-var]


def test_pictures_of_no_class_are_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "train/b.jpg", "train/mina/c.jpg", "train/.thumb/d.jpg", "train/mina/._c.jpg"):
        picture(tmp_path / name)
    (tmp_path / "train/mina/e.jpg").write_text("no picture")
    reading = ImportLog()
    assert read(tmp_path, reading) == [("mina", "train/mina/c.jpg")]
    assert [each.name for each in reading.refused] == ["a.jpg", "train/b.jpg", "mina/e.jpg"]


def test_a_split_without_classes_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "train/a.jpg")
    with pytest.raises(ImportUnreadable, match="no folder per class"):
        read(tmp_path)


@pytest.mark.parametrize("beside", ["extra/b.jpg", "other/otto/b.jpg"])
def test_a_side_beside_a_class_is_said(tmp_path: Path, beside: str) -> None:
    """What is in train/mina would be called train."""
    for name in ("train/mina/a.jpg", "val/mina/c.jpg", beside):
        picture(tmp_path / name)
    with pytest.raises(ImportUnreadable, match="train holds folders and no pictures"):
        read(tmp_path)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    mine = picture(tmp_path / "mine/a.jpg")
    (tmp_path / "in/mina").mkdir(parents=True)
    (tmp_path / "in/mina/a.jpg").symlink_to(mine)
    reading = ImportLog()
    assert read(tmp_path / "in", reading) == [] and [each.name for each in reading.refused] == ["mina/a.jpg"]
    assert len(read(tmp_path / "in", media=tmp_path / "in")) == 1
