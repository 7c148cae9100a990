from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from dinolabel.local import photos
from dinolabel.local.project import drop_hidden, import_photos
from dinolabel.vision.errors import DinolabelError
from tests.doubles.scripted_studio import ScriptedStudio


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_pictures_of_sub_folders_count_and_the_rest_is_told(tmp_path: Path) -> None:
    found = photos.find_photos(fill(tmp_path / "a b ü", "1.JPG", "deep/2.png", "deep/er/3.webp", "notes.txt", "4.HEIC", "README"))
    assert found.count == 3
    assert found.root == tmp_path.resolve()
    assert (
        found.skipped_sentence()
        == "3 other files (1 without an ending, 1 .heic and 1 .txt); browsers do not show HEIC and TIFF: save those as JPEG"
    )


def test_nothing_is_told_when_nothing_is_left_out(tmp_path: Path) -> None:
    assert photos.find_photos(fill(tmp_path / "x", "1.jpg")).skipped_sentence() is None


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
        photos.find_photos(tmp_path / path)
    assert caught.value.hint


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(DinolabelError, match="it is empty"):
        photos.find_photos(tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.jpg", True),
        ("A.JPEG", True),
        ("x.y.png", True),
        ("a.heic", False),
        ("jpg", False),
        ("a.jpg.txt", False),
        ("._a.jpg", False),
        (".a.jpg", False),
    ],
)
def test_label_studio_takes_the_files_we_count(tmp_path: Path, name: str, shown: bool) -> None:
    """Label Studio matches its pattern from the start of the file's name."""
    assert bool(re.compile(photos.PATTERN).match(name)) is shown
    fill(tmp_path / "d", name, "always.jpg")
    assert photos.find_photos(tmp_path / "d").count == 1 + shown


HIDDEN = (
    "._1.jpg",
    ".thumbnails/1.jpg",
    "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
    "__MACOSX/._1.jpg",
    "$RECYCLE.BIN/1.jpg",
    ".DS_Store",
    "Thumbs.db",
)


def test_hidden_files_are_neither_counted_nor_told_nor_sent(tmp_path: Path) -> None:
    found = photos.find_photos(fill(tmp_path / ".cache" / "stick", "1.jpg", "deep/2.png", *HIDDEN))
    assert (found.count, found.skipped_sentence(), found.hidden) == (2, None, 5)
    assert [each.name for each in found.pictures()] == ["1.jpg", "2.png"]


def test_a_folder_with_hidden_pictures_only_has_none(tmp_path: Path) -> None:
    with pytest.raises(DinolabelError, match="There is no picture"):
        photos.find_photos(fill(tmp_path / "stick", *HIDDEN))


class Storages(ScriptedStudio):
    """Serves a folder as Label Studio's local storage does: a task of every file whose bare name fits the pattern, once."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.served = root, dict[str, tuple[int, int, str]]()

    def local_storages_list(self, project: int) -> dict[str, int]:
        return {path: number for path, (number, at, _) in self.served.items() if at == project}

    def local_storages_create(self, project: int, path: Path, *, pattern: str) -> int:
        self.served[str(path)] = (len(self.served) + 1, project, pattern)
        return len(self.served)

    def local_storages_sync(self, storage: int) -> int:
        (path, project, pattern) = next((path, at, pattern) for path, (number, at, pattern) in self.served.items() if number == storage)
        there = {each.data["image"] for each in self.tasks_list(project)}
        files = [each for each in sorted(Path(path).rglob("*")) if each.is_file() and re.match(pattern, each.name)]
        urls = [f"/data/local-files/?d={quote(str(each.relative_to(self.root)))}" for each in files]
        return len(self.add_tasks(project, [each for each in urls if each not in there]))

    def tasks_delete(self, task: int) -> None:
        self.remove_task(task)


def test_label_studios_storage_makes_no_task_of_hidden_files_that_stays(tmp_path: Path) -> None:
    found = photos.find_photos(fill(tmp_path / ".cache" / "stick", "1.jpg", "deep/2 ü.png", *HIDDEN))
    studio = Storages(found.root)
    project = studio.add_project()
    assert import_photos(studio, project, found, found.root) == 2
    rest = {unquote(each.data["image"]) for each in studio.tasks.list(project)}
    assert rest == {"/data/local-files/?d=stick/1.jpg", "/data/local-files/?d=stick/deep/2 ü.png"}
    (storage,) = studio.local_storages.list(project).values()
    assert studio.local_storages.sync(storage) == 2  # a person presses Sync in Label Studio
    fill(tmp_path / ".cache" / "stick", "3.jpg")
    assert import_photos(studio, project, photos.find_photos(found.folder), found.root) == 1


def test_a_hidden_picture_that_somebody_answered_keeps_its_task(tmp_path: Path) -> None:
    found = photos.find_photos(fill(tmp_path / "stick", "1.jpg", ".thumbnails/1.jpg", ".thumbnails/2.jpg"))
    studio = Storages(found.root)
    project = studio.add_project()
    studio.local_storages.sync(studio.local_storages.create(project, found.folder, pattern=photos.PATTERN))
    hidden = [each.id for each in studio.tasks.list(project) if ".thumbnails" in each.data["image"]]
    studio.annotate(hidden[0], ["jason"])
    assert drop_hidden(studio, project, found, found.root) == 1
    assert hidden[0] in {each.id for each in studio.tasks.list(project)} and hidden[1] not in {
        each.id for each in studio.tasks.list(project)
    }
