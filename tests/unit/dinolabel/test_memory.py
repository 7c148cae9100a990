from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path

import pytest

from dinolabel.local.photos import PhotoFolder
from dinolabel.local.project import MEMORY, LocalProject, UpMemory
from dinolabel.vision.errors import RequestError


def photos(path: str) -> PhotoFolder:
    return PhotoFolder(Path(path), 1, Counter())


FACE, DOG = {"human face": "face"}, {"dog": "dog"}
KEPT = UpMemory("/p", (LocalProject("/p/a", FACE, 1), LocalProject("/p/a", DOG, 2), LocalProject("/p/b", FACE, 3)))


@pytest.mark.parametrize(
    ("folder", "prompts", "project"),
    [
        ("/p/a", FACE, 1),
        ("/p/a", DOG, 2),
        ("/p/a", None, 2),
        ("/p/b", None, 3),
        ("/p/b", DOG, None),
        ("/p/c", None, None),
    ],
)
def test_which_project_is_gone_on_with(folder: str, prompts: dict[str, str] | None, project: int | None) -> None:
    found = KEPT.find(photos(folder), prompts)
    assert (found.project if found else None) == project


def test_it_survives_on_disk_and_is_private(tmp_path: Path) -> None:
    KEPT.write(tmp_path)
    assert UpMemory.read(tmp_path) == KEPT
    assert stat.S_IMODE((tmp_path / MEMORY).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"root": "/p"}', '{"root": "/p", "made": [{"folder": 1}]}'])
def test_what_cannot_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / MEMORY).write_text(text)
    assert UpMemory.read(tmp_path) == UpMemory()


def test_a_project_used_again_becomes_the_newest() -> None:
    again = KEPT.with_project(LocalProject("/p/a", FACE, 1), Path("/p"))
    assert [each.project for each in again.made] == [2, 3, 1]
    assert again.find(photos("/p/a"), None) == LocalProject("/p/a", FACE, 1)


def test_the_first_folder_fixes_the_root() -> None:
    assert UpMemory().root_for(photos("/home/me/Pictures/party")) == Path("/home/me/Pictures")
    fixed = UpMemory("/home/me/Pictures")
    assert fixed.root_for(photos("/home/me/Pictures/2024/party")) == Path("/home/me/Pictures")


@pytest.mark.parametrize("folder", ["/mnt/usb/party", "/home/me/Pictures", "/home/me/Pictures2/x"])
def test_folders_elsewhere_need_a_data_folder_of_their_own(folder: str) -> None:
    with pytest.raises(RequestError, match="below /home/me/Pictures") as caught:
        UpMemory("/home/me/Pictures").root_for(photos(folder))
    assert "--data" in caught.value.hint
