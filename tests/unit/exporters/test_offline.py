"""Pictures of an export file, found in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.offline import finder
from vision.errors import MediaUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("8/69234a41-cat.jpg", "9/69234a41-cat.jpg", "dog.jpg", "sub dir/bird 1.jpg", "a-b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("/data/upload/8/69234a41-cat.jpg", "8/69234a41-cat.jpg"),
        ("/data/upload/3/0a1b2c3d-dog.jpg", "dog.jpg"),
        ("http://studio:8080/data/upload/9/69234a41-cat.jpg", "9/69234a41-cat.jpg"),
        ("/data/local-files/?d=photos/sub%20dir/bird%201.jpg", "sub dir/bird 1.jpg"),
        ("https://host/x/dog.jpg?token=1", "dog.jpg"),
        ("s3://bucket/deep/dog.jpg", "dog.jpg"),
        ("a-b.jpg", "a-b.jpg"),
        ("../../dog.jpg", "dog.jpg"),
    ],
)
def test_found(folder: Path, address: str, found: str) -> None:
    assert finder(folder)(address) == (folder / found).resolve()


@pytest.mark.parametrize("address", ["", "/", "/data/upload/1/nothing.jpg", "69234a41-cat.jpg", "../", "data:image/png;base64,AAAA"])
def test_missing_or_not_clear(folder: Path, address: str) -> None:
    with pytest.raises(MediaUnavailable):
        finder(folder)(address)


def test_a_thumbnail_of_the_same_name_in_a_hidden_folder_is_meant_only_when_its_folder_is_named(folder: Path) -> None:
    for name in ("@eaDir/dog.jpg", ".thumbnails/dog.jpg", "._dog.jpg", ".thumbnails/only.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    find = finder(folder)
    assert find("/data/upload/3/0a1b2c3d-dog.jpg") == (folder / "dog.jpg").resolve()
    assert find("/data/local-files/?d=photos/.thumbnails/dog.jpg") == (folder / ".thumbnails" / "dog.jpg").resolve()
    with pytest.raises(MediaUnavailable):
        find("/data/upload/3/only.jpg")


def test_a_folder_that_is_itself_hidden_works(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.jpg").touch()
    assert finder(tmp_path / ".cache")("x/a.jpg").name == "a.jpg"
