"""Pictures of an export file, found in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dinolabel.exporters.media_lookup import finder
from dinolabel.exporters.pipeline.records import original_name
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.errors import MediaError, MediaRefused, MediaUnavailable

SENSELESS = [
    "http://[::1", "//[", "http://[x/y.jpg", "http://h:99999999/x.jpg", "http://h:port/x.jpg", "http://\u2488com/x", "\x00", "a\x00.jpg",
    "s3://", "gs://", "://", "http://", "ftp://host/a.jpg", "javascript:alert(1)", "x" * 5000, "/" + "x" * 5000 + ".jpg", "\ud800.jpg",
    "http://h/\ud800.jpg", "", " ", "/", "%", "%zz", "file://[", "file:///etc/passwd", "/data/local-files/?d=%00", "/data/local-files/?d=",
    7, 1.5, None, True, ["a.jpg"], {"url": "a.jpg"}, b"a.jpg",
]  # fmt: skip


@pytest.mark.parametrize("address", SENSELESS)
def test_an_address_that_makes_no_sense_is_a_picture_that_cannot_be_had(address: Any, tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        finder(tmp_path)(address)
    for root in (None, tmp_path):
        with pytest.raises(MediaError):
            MediaResolver(None, cache_dir=tmp_path / "cache", local_root=root).resolve(address, task=1)
    if isinstance(address, str):
        assert original_name(address)


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


def test_a_thumbnail_of_the_same_name_in_a_hidden_folder_is_never_meant(folder: Path) -> None:
    for name in ("@eaDir/dog.jpg", ".thumbnails/dog.jpg", "._dog.jpg", ".thumbnails/only.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    find = finder(folder)
    assert find("/data/upload/3/0a1b2c3d-dog.jpg") == (folder / "dog.jpg").resolve()
    with pytest.raises(MediaRefused, match="hidden file"):
        find("/data/local-files/?d=photos/.thumbnails/dog.jpg")
    with pytest.raises(MediaUnavailable):
        find("/data/upload/3/only.jpg")


def test_a_folder_that_is_itself_hidden_works(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.jpg").touch()
    assert finder(tmp_path / ".cache")("x/a.jpg").name == "a.jpg"


@pytest.mark.parametrize(
    ("original", "stored"),
    [  # measured: Label Studio 1.23.2
        ("Grüße 写真 (1).jpg", "27b53085-Grüße_写真_1.jpg"),
        ("IMG 1 (2).jpg", "27b53085-IMG_1_2.jpg"),
        ("a+b,c#.JPG", "27b53085-abc.JPG"),
        ("!!!.jpg", "27b53085-.jpg"),
        ("😀.jpg", "27b53085-.jpg"),
        ("Jose\u0301.jpg", "27b53085-Jose.jpg"),  # as a Mac writes it
        ("José.jpg", "27b53085-Jose.jpg"),  # uploaded from there, and kept elsewhere since
        ("José.jpg", "27b53085-José.jpg"),
        (" lead.jpg", "27b53085-_lead.jpg"),
        ("no ending", "27b53085-no_ending"),
        ("plain.jpg", "27b53085-plain.jpg"),
        ("x" * 120 + ".jpg", "27b53085-" + "x" * 69 + "_a8Bd3Xy.jpg"),
    ],
)
def test_what_label_studio_renamed_is_found(tmp_path: Path, original: str, stored: str) -> None:
    for name in (original, "another picture.jpg"):
        (tmp_path / name).touch()
    assert finder(tmp_path)(f"/data/upload/12/{stored}") == (tmp_path / original).resolve()
    assert finder(tmp_path)(f"http://studio/data/upload/12/{quote(stored)}") == (tmp_path / original).resolve()


@pytest.mark.parametrize(
    ("names", "stored"),
    [
        (["IMG 1.jpg", "IMG_1.jpg"], "27b53085-IMG_1.jpg"),
        (["!!!.jpg", "???.jpg"], "27b53085-.jpg"),
        (["one/IMG 1.jpg", "two/IMG 1.jpg"], "27b53085-IMG_1.jpg"),
        (["x" * 120 + "a.jpg", "x" * 120 + "b.jpg"], "27b53085-" + "x" * 69 + "_a8Bd3Xy.jpg"),
    ],
)
def test_several_files_that_fit_are_named_and_none_is_taken(tmp_path: Path, names: list[str], stored: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(MediaUnavailable) as told:
        finder(tmp_path)(f"/data/upload/12/{stored}")
    assert all(name in str(told.value) for name in names)


@pytest.mark.parametrize(
    "address", ["/data/upload/1/27b53085-IMG_1.jpg", "https://host/black-cat.jpg", "/data/upload/1/27b53085-IMG_1_a8Bd3Xy.jpg"]
)
def test_a_name_that_only_resembles_is_not_guessed(tmp_path: Path, address: str) -> None:
    for name in ("IMG 12.jpg", "img 1.jpg", "cat.jpg", "IMG 1.png"):
        (tmp_path / name).touch()
    with pytest.raises(MediaUnavailable):
        finder(tmp_path)(address)
