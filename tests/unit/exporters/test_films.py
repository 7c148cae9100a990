"""Who is on a video, told by its name, its folder or a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.exporters.video_crops.video_list import find
from dinolabel.vision.errors import RequestError


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def told(source: Path) -> list[tuple[str, str, str | None]]:
    films = find(source)
    return [(films.relative_path(each.path), each.label, each.split) for each in films.videos]


def test_the_ancestors_names(tmp_path: Path) -> None:
    lay(tmp_path, "jason_0.mp4", "jason_1.MOV", "jason_test.mp4", "lacy_0.webm", "lacy_test.avi", ".DS_Store", "._jason_0.mp4", "notes.txt")
    assert told(tmp_path) == [
        ("jason_0.mp4", "jason", "train"),
        ("jason_1.MOV", "jason", "train"),
        ("jason_test.mp4", "jason", "held_out"),
        ("lacy_0.webm", "lacy", "train"),
        ("lacy_test.avi", "lacy", "held_out"),
    ]


def test_names_of_several_words_keep_them(tmp_path: Path) -> None:
    """The ancestor split at the first underscore: mary_ann was mary, and her test video was learnt from."""
    lay(tmp_path, "mary_ann_0.mp4", "mary_ann_test.mp4", "Zoë-1.mp4", "Zoë test 2.mp4", "тест_0.mp4")
    assert told(tmp_path) == [
        ("mary_ann_0.mp4", "mary_ann", "train"),
        ("mary_ann_test.mp4", "mary_ann", "held_out"),
        ("Zoë test 2.mp4", "Zoë", "held_out"),
        ("Zoë-1.mp4", "Zoë", "train"),
        ("тест_0.mp4", "тест", "train"),
    ]


def test_a_folder_per_class(tmp_path: Path) -> None:
    lay(tmp_path, "tom/a.mp4", "tom/deep/b.mkv", "tom/holiday_test.mp4", "felix/test/c.mp4", "felix/d.mp4", "felix/.hidden/e.mp4")
    assert told(tmp_path) == [
        ("felix/d.mp4", "felix", "train"),
        ("felix/test/c.mp4", "felix", "held_out"),
        ("tom/a.mp4", "tom", "train"),
        ("tom/deep/b.mkv", "tom", "train"),
        ("tom/holiday_test.mp4", "tom", "held_out"),
    ]


def test_a_list(tmp_path: Path) -> None:
    lay(tmp_path, "v/1.mp4", "v/2.mp4", "v/3.mp4")
    (tmp_path / "who.csv").write_text("\ufeffvideo, class, split\nv/1.mp4, tom,\nv/2.mp4,tom,test\n v/3.mp4,a/b,train\n", encoding="utf-8")
    assert told(tmp_path / "who.csv") == [("v/3.mp4", "a/b", "train"), ("v/1.mp4", "tom", "train"), ("v/2.mp4", "tom", "held_out")]


def test_without_a_test_video_nobody_chose(tmp_path: Path) -> None:
    assert told(lay(tmp_path, "tom_0.mp4", "felix_0.mp4")) == [("felix_0.mp4", "felix", None), ("tom_0.mp4", "tom", None)]


def test_a_name_that_tells_no_class_is_listed(tmp_path: Path) -> None:
    films = find(lay(tmp_path, "tom_0.mp4", "holiday.mp4"))
    assert [each.label for each in films.videos] == ["tom"] and films.nameless == (tmp_path / "holiday.mp4",)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "There are no videos"),
        (("holiday.mp4",), "tells its class"),
        (("Tom_0.mp4", "tom_1.mp4"), "differ only in case"),
    ],
)
def test_a_folder_of_no_use_is_said(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        find(lay(tmp_path, *names))


@pytest.mark.parametrize(
    "text", ["video,class\n,tom\n", "video,class\na.mp4,\n", "video,class,split\na.mp4,tom,maybe\n", "a.mp4;tom\nb;c\n"]
)
def test_a_bad_line_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "who.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="line 2"):
        find(tmp_path / "who.csv")


def test_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no folder of videos"):
        find(tmp_path / "nowhere")
