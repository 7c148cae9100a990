"""What paths, folders, patterns and addresses of `dinolabel detect` name: each once, under a name of its own, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from dinolabel.detect import inputs
from dinolabel.vision.errors import MediaError, MediaRefused, RequestError

FILES = ("a.png", "b.jpg", "deep/a.png", "deep/er/c.webp", "other/a.png", "notes.txt", "walk.mp4", "deep/walk.mp4", "we[1].png")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".txt", ".mp4"):
            path.write_bytes(b"\0")
        else:
            PIL.Image.new("RGB", (8, 8)).save(path)
    for name in (".hidden.png", "@eaDir/thumb.png", "deep/.trash/x.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (8, 8)).save(path)
    (tmp_path / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "photos")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "photos"


ALL = ["a.png", "b.jpg", "deep/a.png", "deep/er/c.webp", "other/a.png", "we[1].png"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["."], ALL),
        (["../photos"], ALL),
        (["~/photos"], ALL),
        (["a.png"], ["a.png"]),
        (["deep/a.png"], ["a.png"]),
        (["b.jpg", "a.png"], ["b.jpg", "a.png"]),
        (["deep/a.png", "other/a.png"], ["deep/a.png", "other/a.png"]),
        (["deep", "other"], ["deep/a.png", "deep/er/c.webp", "other/a.png"]),
        (["deep", "a.png"], ["deep/a.png", "deep/er/c.webp", "a.png"]),
        (["a.png", "./a.png", "../photos/a.png", "deep/../a.png", "../link/a.png", "file://{here}/a.png"], ["a.png"]),
        ([".", "a.png", "deep", "../link"], ALL),
        (["a.png", "."], ["a.png", *ALL[1:]]),
        (["*.png"], ["a.png", "we[1].png"]),
        (["~/photos/*.png"], ["a.png", "we[1].png"]),
        (["*/a.png"], ["deep/a.png", "other/a.png"]),
        (["[ab].*"], ["a.png", "b.jpg"]),
        (["?.png", "deep/*"], ["a.png", "deep/a.png", "deep/er/c.webp", "deep/walk.mp4"]),
        (["we[1].png"], ["we[1].png"]),
        (["**/*.png"], ["a.png", "deep/a.png", "other/a.png", "we[1].png"]),
        (["deep/**"], ["a.png", "er/c.webp", "walk.mp4"]),
        (["walk.mp4", "a.png", "deep/walk.mp4"], ["walk.mp4", "a.png", "deep/walk.mp4"]),
    ],
    ids=" ".join,
)
def test_what_is_named(photos: Path, arguments: list[str], names: list[str]) -> None:
    found = inputs.find([each.format(here=photos) for each in arguments])
    assert [each.name for each in found.items] == names
    assert all(each.path and each.path.is_file() for each in found.items)
    assert [each.name for each in found.films] == [each for each in names if each.endswith("mp4")]


def test_films_of_a_folder_are_counted() -> None:
    assert inputs.find(["."]).skipped == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words", "hint"),
    [
        (["nowhere.jpg"], MediaError, "no file or folder nowhere.jpg", "Check the path"),
        (["*.gif"], MediaError, "no file or folder *.gif, and nothing fits", "** for all folders"),
        ([""], MediaError, "empty name", "quotes"),
        (["s3://bucket/a.png"], MediaRefused, "begins with s3:", "Download it"),
        (["data:image/png;base64,AA"], MediaRefused, "begins with data:", "Download it"),
        (["https://"], MediaRefused, "names no host", "browser"),
        (["http://[half"], MediaRefused, "is no address", "browser"),
        (["nowhere.jpg", "*.gif"], MediaError, "nowhere.jpg", "Check the path"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_names_nothing(arguments: list[str], error: type[MediaError], words: str, hint: str) -> None:
    with pytest.raises(error) as caught:
        inputs.find(arguments)
    assert words in str(caught.value) and hint in caught.value.hint


def test_what_names_nothing_costs_the_others_nothing() -> None:
    found = inputs.find(["a.png", "nowhere.jpg", "*.gif", "s3://b/a.png", "film.mp4", "b.jpg"])
    assert [(each.name, each.error is None) for each in found.pictures] == [
        ("a.png", True), ("nowhere.jpg", False), ("*.gif", False), ("s3://b/a.png", False), ("film.mp4", False), ("b.jpg", True),
    ]  # fmt: skip
    assert not found.films


def test_a_folder_of_films_says_how_to_name_them(photos: Path) -> None:
    folder = photos / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"\0")
    with pytest.raises(MediaError, match="no pictures in films") as caught:
        inputs.find(["films"])
    assert "films/*.mp4" in caught.value.hint


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        (["https://x.org/a/b.png?token=secret"], ["b.png"]),
        (["https://me:secret@x.org:8443/a/b.png", "https://y.org/a/b.png"], ["x.org_8443/a/b.png", "y.org/a/b.png"]),
        (["https://x.org/b.png?v=1", "https://x.org/b.png?v=2"], ["x.org/b.png", "x.org/b-2.png"]),
        (["https://x.org/b.png", "https://x.org/b.png"], ["b.png"]),
        (["https://x.org/"], ["x.org/picture"]),
        (["https://x.org/../../etc/%2e%2e/a%2Fb.png", "a.png"], ["x.org/etc/a/b.png", "a.png"]),
        (["https://x.org/a.mp4"], ["a.mp4"]),
        (["HTTPS://x.org/" + "l" * 300 + ".png"], ["l" * 96 + ".png"]),
        (["https://x.org/a%0Ab%1b.png"], ["a_b_.png"]),
    ],
)
def test_addresses_have_names_without_secrets(urls: list[str], names: list[str]) -> None:
    found = inputs.find(urls)
    assert [each.name for each in found.items] == names


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["."], "."),
        (["a.png"], "."),
        (["deep", "other"], "deep"),
        (["deep/a.png", "other/a.png"], "."),
        (["deep/a.png", "b.jpg"], "../photos"),
        (["deep"], "../link"),
        (["walk.mp4"], "."),
        (["a.png", "walk.mp4"], "."),
        (["deep/er"], "deep/er"),
    ],
    ids=str,
)
def test_what_is_named_is_never_overwritten(arguments: list[str], out: str) -> None:
    with pytest.raises(RequestError):
        inputs.find(arguments, out=Path(out))


def test_a_picture_of_somebody_else_in_the_result_folder_is_not_overwritten(photos: Path) -> None:
    with pytest.raises(RequestError, match=r"holds a file a\.png that is not of ours"):
        inputs.find(["deep"], out=photos)
    (photos / "other" / "detections.json").write_text("{}")
    assert inputs.find(["deep/a.png"], out=photos / "other").items, "an earlier result is replaced"


def test_our_own_output_is_not_looked_at_again(photos: Path) -> None:
    out = photos / "found"
    out.mkdir()
    PIL.Image.new("RGB", (8, 8)).save(out / "a.png")
    (out / "detections.json").write_text("{}")
    wanted = [each for each in ALL if each != "we[1].png"] + ["we[1].png"]
    assert [each.name for each in inputs.find(["."], out=out).items] == wanted
    assert "found/a.png" not in [each.name for each in inputs.find(["*"], out=out).items], "as a shell fills in a pattern"


@pytest.mark.parametrize(
    ("names", "copies"),
    [
        (["a.tif", "a.tif.jpg"], ["a.tif.jpg", "a.tif-2.jpg"]),
        (["A.png", "a.png"], ["A.png", "a-2.png"]),
        (["a.bmp", "a.gif"], ["a.bmp.jpg", "a.gif.jpg"]),
        (["walk.mp4", "walk.mov"], ["walk", "walk-2"]),
        (["walk-timeline.png", "walk.mp4"], ["walk-timeline.png", "walk-2"]),
        (["x/walk.mp4", "y/walk.mp4"], ["x/walk", "y/walk"]),
        (["caf\u00e9.png", "cafe\u0301.png"], ["caf\u00e9.png", "cafe\u0301-2.png"]),
    ],
)
def test_no_copy_lies_on_another(tmp_path: Path, names: list[str], copies: list[str]) -> None:
    home = tmp_path / "named"
    for name in names:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    found = inputs.find([str(home / each) for each in names], out=tmp_path / "out")
    assert [each.name for each in found.items] == names
    assert [each.copy for each in found.items] == copies
