"""Which task an arriving picture is: numbers only with content or address, content whatever the name became, each task once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dinolabel.exporters.importers.common.records import ImportedBox, ImportedImage
from dinolabel.exporters.importers.common.task_matching import TaskMatches, match_tasks
from dinolabel.vision.errors import MediaUnavailable
from dinolabel.vision.types import Box


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str, str], Path]:
    """A file of a name with a content."""

    def make(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return make


def arriving(name: str, file: Path | None = None, **more: Any) -> ImportedImage:
    return ImportedImage(name, file, 200, 100, (), **more)


def row(number: int, address: str, *, annotated: bool = False) -> Any:
    return SimpleNamespace(id=number, data={"image": address}, annotated=annotated, cancelled=False)


def matched(pictures: list[ImportedImage], rows: list[Any], there: dict[str, Path]) -> TaskMatches:
    """there: the file of each address."""

    def resolve(address: str) -> Path:
        if address not in there:
            raise MediaUnavailable(f"{address} is gone.")
        return there[address]

    return match_tasks(pictures, rows, data_key="image", resolve=resolve)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


NFD = "Gru\u0308ße.jpg"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("!!!.jpg", "/data/upload/1/27b53085-.jpg"),
        ("!!!.jpg", "/data/local-files/?d=!!!.jpg"),
        ("___.png", "/data/upload/1/27b53085-___.png"),
        ("💥.png", "/data/upload/1/27b53085-.png"),
        ("IMG 1 (2).jpg", "/data/upload/1/27b53085-IMG_1_2.jpg"),
        ("Grüße 写真 (1).jpg", "/data/upload/1/27b53085-Grüße_写真_1.jpg"),
        (NFD, "/data/upload/1/27b53085-Grüße.jpg"),
        (NFD, "/data/upload/1/27b53085-Gruße.jpg"),
        ("हिन्दी.jpg", "/data/upload/1/27b53085-हनद.jpg"),
        ("no suffix", "/data/upload/1/27b53085-no_suffix"),
        ("IMG.JPG", "/data/upload/1/27b53085-img.jpg"),
        ("whatever.jpg", "/data/upload/1/27b53085-.jpg"),  # a stored name of which nothing is left may be anybody's
    ],
)
def test_a_name_that_label_studio_changed_is_found_by_content(files: Any, name: str, stored: str) -> None:
    here, there = files("here/a", "same"), files("there/a", "same")
    found = matched([arriving(name, here)], [row(4, stored), row(5, "/data/upload/1/27b53086-.jpg")], {stored: there})
    assert [number for _, number in found.found] == [4] and not found.new


@pytest.mark.parametrize("stored", ["/data/upload/1/27b53085-.jpg", "/data/upload/1/27b53085-a.jpg", "/data/local-files/?d=!!!.jpg"])
def test_a_name_alone_is_nothing(files: Any, stored: str) -> None:
    found = matched([arriving("a.jpg", files("here/a", "one"))], [row(4, stored)], {stored: files("there/a", "two")})
    assert not found.found and len(found.new) == 1


@pytest.mark.parametrize(
    ("remembered", "stored", "there", "expected"),
    [
        # content agrees
        ({"sha256": sha("x"), "address": "/a.jpg"}, "/a.jpg", "x", True),
        ({"sha256": sha("x"), "address": "/moved.jpg"}, "/a.jpg", "x", True),
        ({"sha256": sha("x")}, "/a.jpg", "x", True),
        # content cannot be had here, or is not remembered: the address decides
        ({"sha256": sha("x"), "address": "/a.jpg"}, "/a.jpg", None, True),
        ({"address": "/a.jpg"}, "/a.jpg", "x", True),
        # another project's number
        ({"sha256": sha("x"), "address": "/b.jpg"}, "/a.jpg", "y", False),
        ({"sha256": sha("x"), "address": "/b.jpg"}, "/a.jpg", None, False),
        ({"address": "/b.jpg"}, "/a.jpg", "x", False),
        ({}, "/a.jpg", "x", False),
        # even one of the same number and address on another server
        ({"sha256": sha("x"), "address": "/a.jpg"}, "/a.jpg", "y", False),
    ],
)
def test_a_number_counts_only_with_content_or_address(
    files: Any, remembered: dict[str, str], stored: str, there: str | None, expected: bool
) -> None:
    known = {stored: files("there/a", there)} if there else {}
    found = matched([arriving("7-a.jpg", None, task=7, **remembered)], [row(7, stored)], known)
    assert bool(found.found) == expected and bool(found.lost) != expected


def test_tasks_of_equal_pictures_each_get_their_own(files: Any) -> None:
    """Also where the second arrives first, and where another picture of that content comes without a number."""
    here = files("here/a.jpg", "same")
    rows = [row(1, "/one/a.jpg"), row(2, "/two/a.jpg"), row(3, "/three/a.jpg")]
    there = {each.data["image"]: here for each in rows}
    pictures = [arriving("a.jpg", here)] + [arriving(f"{n}-a.jpg", here, task=n, sha256=sha("same")) for n in (3, 1)]
    found = matched(pictures, rows, there)
    assert [(each.task, number) for each, number in found.found] == [(None, 2), (3, 3), (1, 1)]


def test_equal_pictures_of_two_tasks_become_two_tasks_and_others_one(files: Any) -> None:
    here = files("here/a.jpg", "same")
    two = [arriving(f"{n}-a.jpg", here, task=n, sha256=sha("same")) for n in (1, 2)]
    found = matched([*two, arriving("b.jpg", here), arriving("c.jpg", here)], [], {})
    assert [each.name for each in found.new] == ["1-a.jpg", "2-a.jpg", "b.jpg"]
    assert [each.name for each in found.twice] == ["c.jpg"]


def test_a_box_of_a_picture_that_arrives_twice_is_not_lost(files: Any) -> None:
    """a copy.jpg without a box comes first, and would say that nothing is in a.jpg."""
    box = ImportedBox("mina", Box(8, 6, 40, 30), None, "1")
    marked = replace(arriving("a.jpg", files("a.jpg", "same")), boxes=(box,))
    found = matched([arriving("a copy.jpg", files("a copy.jpg", "same")), marked], [], {})
    assert [each.boxes for each in found.new] == [(box,)] and found.twice == [marked]


def test_the_same_file_name_in_two_folders(files: Any) -> None:
    one, two = files("one/x.png", "1"), files("two/x.png", "2")
    rows = [row(1, "/data/local-files/?d=one/x.png"), row(2, "/data/local-files/?d=two/x.png", annotated=True)]
    found = matched(
        [arriving("x.png", two), arriving("x.png", one)],
        rows,
        {"/data/local-files/?d=one/x.png": one, "/data/local-files/?d=two/x.png": two},
    )
    assert [number for _, number in found.found] == [1] and [number for _, number in found.done] == [2]


def test_a_task_without_a_picture_is_passed_over(files: Any) -> None:
    rows = [SimpleNamespace(id=7, data={"text": "no picture"}, annotated=False, cancelled=False)]
    found = matched([arriving("a.jpg", files("a.jpg", "1"), task=7, sha256=sha("1"))], rows, {})
    assert len(found.new) == 1
