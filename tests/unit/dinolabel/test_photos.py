from __future__ import annotations

import re
from pathlib import Path

import pytest

from dinolabel.local import photos
from vision.errors import DinolabelError


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_pictures_of_sub_folders_count_and_the_rest_is_told(tmp_path: Path) -> None:
    found = photos.look(fill(tmp_path / "a b ü", "1.JPG", "deep/2.png", "deep/er/3.webp", "notes.txt", "4.HEIC", "README"))
    assert found.count == 3
    assert found.root == tmp_path.resolve()
    assert (
        found.left_out()
        == "3 other files (1 without an ending, 1 .heic and 1 .txt); browsers do not show HEIC and TIFF: save those as JPEG"
    )


def test_nothing_is_told_when_nothing_is_left_out(tmp_path: Path) -> None:
    assert photos.look(fill(tmp_path / "x", "1.jpg")).left_out() is None


@pytest.mark.parametrize(
    ("make", "path", "message"),
    [
        ([], "nowhere", "There is no folder"),
        (["empty/x.txt"], "empty", r"no picture in .*only 1 other file \(1 .txt\)"),
        (["one.jpg"], "one.jpg", "one.jpg is a file"),
        (["back\\slash/1.jpg"], "back\\slash", "cannot serve"),
        (["ends in space /1.jpg"], "ends in space ", "cannot serve"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, make: list[str], path: str, message: str) -> None:
    fill(tmp_path, *make)
    with pytest.raises(DinolabelError, match=message) as caught:
        photos.look(tmp_path / path)
    assert caught.value.hint


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(DinolabelError, match="it is empty"):
        photos.look(tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "shown"), [("a.jpg", True), ("A.JPEG", True), ("x.y.png", True), ("a.heic", False), ("jpg", False), ("a.jpg.txt", False)]
)
def test_label_studio_takes_the_files_we_count(tmp_path: Path, name: str, shown: bool) -> None:
    """Label Studio matches its pattern from the start of the file's name."""
    assert bool(re.compile(photos.PATTERN).match(name)) is shown
    fill(tmp_path / "d", name, "always.jpg")
    assert photos.look(tmp_path / "d").count == 1 + shown
