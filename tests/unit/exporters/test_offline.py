"""Pictures of an export file, found in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.offline import finder
from vision.errors import MediaUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "8/69234a41-cat.jpg",
        "9/69234a41-cat.jpg",
        "dog.jpg",
        "sub dir/bird 1.jpg",
        "a-b.jpg",
        "IMG 1 (2).jpg",
        "Grüße 写真 (1).jpg",
        "Jose\u0301.jpg",
    ):
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
        ("/data/upload/1/27b53085-IMG_1_2.jpg", "IMG 1 (2).jpg"),
        ("/data/upload/1/27b53085-Gr%C3%BC%C3%9Fe_%E5%86%99%E7%9C%9F_1.jpg", "Grüße 写真 (1).jpg"),
        ("/data/local-files/?d=Jos%C3%A9.jpg", "Jose\u0301.jpg"),
        ("../../dog.jpg", "dog.jpg"),
    ],
)
def test_found(folder: Path, address: str, found: str) -> None:
    assert finder(folder)(address) == (folder / found).resolve()


@pytest.mark.parametrize(
    "address",
    ["", "/", "/data/upload/1/nothing.jpg", "69234a41-cat.jpg", "../", "red-dog.jpg", "IMG_1_2.jpg", "data:image/png;base64,AAAA"],
)
def test_missing_or_not_clear(folder: Path, address: str) -> None:
    with pytest.raises(MediaUnavailable):
        finder(folder)(address)
