"""Which files below a folder a person means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.pictures import image_paths

LEFT = (
    "._a.jpg", ".a.jpg", ".thumbnails/a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "sub/@eaDir/x.jpg", "__MACOSX/a.jpg",
    "__MACOSX/sub/._a.jpg", "$RECYCLE.BIN/S-1/a.jpg", ".Trash-1000/files/a.jpg", ".Trashes/a.jpg", "lost+found/1.jpg", "#recycle/a.jpg",
    "#snapshot/d/a.jpg", "@Recycle/a.jpg", ".@__thumb/a.jpg", "System Volume Information/a.jpg", ".git/a.jpg", ".picasaoriginals/a.jpg",
)  # fmt: skip
TAKEN = ("a.jpg", "sub/b.PNG", "sub dir/c.jpg", "recycle/d.jpg", "thumbs/e.jpg", "a.b/g.jpg", "@home/h.jpg")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_what_systems_leave_beside_pictures_is_no_picture(tmp_path: Path) -> None:
    fill(tmp_path, *LEFT, *TAKEN, "Thumbs.db", "desktop.ini", ".DS_Store")
    assert {each.relative_to(tmp_path).as_posix() for each in image_paths(tmp_path)} == set(TAKEN)
    assert {each.relative_to(tmp_path).as_posix() for each in folder_walk.files(tmp_path)} == set(TAKEN)


@pytest.mark.parametrize("home", [".cache/photos", "@eaDir/photos", ".hidden"])
def test_a_folder_in_a_hidden_folder_is_taken_when_named(tmp_path: Path, home: str) -> None:
    fill(tmp_path / home, "a.jpg", "._a.jpg")
    assert image_paths(tmp_path / home) == [tmp_path / home / "a.jpg"]


def test_a_hidden_file_is_taken_when_named_itself(tmp_path: Path) -> None:
    fill(tmp_path, "._a.jpg")
    assert image_paths(tmp_path / "._a.jpg") == [tmp_path / "._a.jpg"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    fill(tmp_path / "real", "a.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "link.jpg").symlink_to(tmp_path / "real" / "a.jpg")
    (tmp_path / "photos" / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    assert image_paths(tmp_path / "photos") == [tmp_path / "photos" / "link.jpg"]
