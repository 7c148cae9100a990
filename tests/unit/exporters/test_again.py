"""Exporting again into a folder: the list of what was written, what a person put there since, and a kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinolabel.exporters import formats
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.atomic_output import ExportRefused, atomic_folder
from tests.doubles.annotated import Annotated, age, mixed

FORMATS = ["coco", "crops", "csv", "hf", "labelstudio", "parquet", "voc", "xmp", "yolo"]
AN_OWN = {"coco": "annotations/instances_train.json", "crops": "manifest.jsonl", "csv": "boxes.csv", "hf": "train/state.json",
          "labelstudio": "tasks-00000.json", "parquet": "data/train-00000.parquet", "voc": "ImageSets/Main/train.txt",
          "xmp": "3.png.xmp", "yolo": "data.yaml"}  # fmt: skip


def write(world: Annotated, name: str, out: Path, **wish: Any) -> None:
    formats.load(name).export(
        world.tasks, world.config, out, open_image=world.open, find=world.find, wish=ExportOptions(**wish), xml=world.xml
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in file_list.files(folder) if not path.endswith("/")}


@pytest.fixture
def world(tmp_path: Path) -> Annotated:
    return mixed(tmp_path / "pictures")


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_lists_every_file_it_wrote(world: Annotated, tmp_path: Path, name: str) -> None:
    write(world, name, tmp_path / "out")
    head, *lines = map(json.loads, (tmp_path / "out" / file_list.FILE).read_text().splitlines())
    there = contents(tmp_path / "out")
    del there[file_list.FILE]
    assert head == {"format": 1, "export": name}
    assert {each["path"]: (each["size"], each["sha256"]) for each in lines} == {
        path: (len(content), hashlib.sha256(content).hexdigest()) for path, content in there.items()
    }


def test_a_resumed_export_lists_the_same(world: Annotated, tmp_path: Path) -> None:
    def dies(address: str) -> Any:
        if address.endswith("3.png"):
            raise KeyboardInterrupt
        return world.open(address)

    with pytest.raises(KeyboardInterrupt):
        formats.load("coco").export(world.tasks, world.config, tmp_path / "out", open_image=dies, find=world.find)
    (tmp_path / ".out.unfinished/whole/mine.txt").write_text("of a person")
    write(world, "coco", tmp_path / "out")
    write(world, "coco", tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert (tmp_path / ".out.unfinished/not ours/mine.txt").read_text() == "of a person"


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_person_added_stays_where_it_is(world: Annotated, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    write(world, name, out)
    (out / "runs/empty").mkdir(parents=True)
    (out / "runs/best.pt").write_bytes(b"weights")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/thesis.tex").write_text("mine")
    (out / "runs/linked").symlink_to(tmp_path / "elsewhere")
    (out / "runs/dangling").symlink_to("nowhere")
    before = (out / "runs/best.pt").stat()
    world.tasks = world.tasks[:1]
    write(world, name, out)
    write(world, name, tmp_path / "fresh")
    assert (out / "runs/best.pt").read_bytes() == b"weights" and (out / "runs/best.pt").stat().st_mtime_ns == before.st_mtime_ns
    assert (out / "runs/empty").is_dir() and os.readlink(out / "runs/dangling") == "nowhere"
    assert (out / "runs/linked").is_symlink() and (tmp_path / "elsewhere/thesis.tex").read_text() == "mine"
    shutil.rmtree(out / "runs")
    assert set(contents(out)) == set(contents(tmp_path / "fresh"))
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_a_person_changed_is_refused_by_name_before_anything_is_touched(world: Annotated, tmp_path: Path, name: str) -> None:
    out, own = tmp_path / "out", AN_OWN[name]
    write(world, name, out)
    (out / own).write_bytes((out / own).read_bytes() + b"\n# by hand\n")
    before = contents(out)
    world.tasks = world.tasks[:3]
    with pytest.raises(ExportRefused, match=own.rpartition("/")[2]):
        write(world, name, out)
    assert contents(out) == before
    (out / own).rename(tmp_path / "aside")
    write(world, name, out)
    write(world, name, tmp_path / "fresh")
    assert set(contents(out)) == set(contents(tmp_path / "fresh"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "from before lists"])
def test_another_export_is_left_as_it_is(world: Annotated, tmp_path: Path, name: str, listed: bool) -> None:
    out, other = tmp_path / "out", "csv" if name != "csv" else "coco"
    write(world, name, out)
    if not listed:
        age(out)
    before = contents(out)
    with pytest.raises(ExportRefused, match=f"holds an export of {name}"):
        write(world, other, out)
    assert contents(out) == before
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_from_before_lists_is_replaced_and_a_persons_files_stay(world: Annotated, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    write(world, name, out)
    age(out)
    (out / "notes.txt").write_text("mine")
    write(world, name, out)
    write(world, name, tmp_path / "fresh")
    expected = contents(tmp_path / "fresh") | {"notes.txt": b"mine"}
    assert set(contents(out)) == set(expected)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("path", "kind"), [("images", "file"), ("images/train", "link"), ("annotations/instances_train.json", "folder")]
)  # fmt: skip
def test_a_file_where_a_folder_is_to_go_is_refused_by_name(world: Annotated, tmp_path: Path, path: str, kind: str) -> None:
    out = tmp_path / "out"
    write(world, "coco", out)
    place = out / path
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    before = contents(out) if kind != "link" else {}
    with pytest.raises(ExportRefused, match=path.partition(".")[0]):
        write(world, "coco", out)
    assert kind == "link" or contents(out) == before
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_list_of_a_later_version_is_refused(world: Annotated, tmp_path: Path) -> None:
    write(world, "csv", tmp_path / "out")
    (tmp_path / "out" / file_list.FILE).write_text('{"format": 2, "export": "csv"}\n')
    with pytest.raises(file_list.FileListUnreadable, match="format 2"):
        write(world, "csv", tmp_path / "out")
    assert (tmp_path / "out/boxes.csv").is_file()


def test_an_export_through_a_link_goes_where_it_leads(world: Annotated, tmp_path: Path) -> None:
    (tmp_path / "disk/data").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk/data")
    for _ in range(2):
        write(world, "csv", tmp_path / "out")
        (tmp_path / "disk/data/notes.txt").write_text("mine")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "disk/data/boxes.csv").is_file()
    assert (tmp_path / "disk/data/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [".out.partial-mine", ".out.backup", ".out.unfinished-old", ".out.partial-12345678"])
def test_folders_of_like_names_are_somebodys_own(world: Annotated, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("mine")
    os.utime(tmp_path / name, (0, 0))
    for format_name in ("coco", "labelstudio"):
        write(world, format_name, tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
    assert (tmp_path / name / "thesis.tex").read_text() == "mine"


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is killed at its step-th change of a name on the disk; whether it was."""
    child = os.fork()
    if child == 0:
        count = 0

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                nonlocal count
                if count == step:
                    os._exit(9)
                count += 1
                return real(*args, **more)

            return call

        for name in ("rename", "replace", "link", "unlink", "rmdir", "mkdir"):
            setattr(os, name, dying(getattr(os, name)))
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumable: bool, links: bool) -> None:
    from dinolabel.exporters.output.atomic_output import OutputFolder, resumable_folder

    if not links:

        def none(*_: Any, **__: Any) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", none)

    def export(folder: Path, content: str) -> None:
        if resumable:
            with resumable_folder(folder / "out", name="csv") as (place, journal):
                journal.touch()
                tray = OutputFolder(place)
                for each in ("dinolabel.json", "a/1.txt", f"b/{content}.txt"):
                    tray.path(each).write_text(content)
                tray.tidy()
        else:
            with atomic_folder(folder / "out", name="csv") as place:
                for each in ("dinolabel.json", "a/1.txt", f"b/{content}.txt"):
                    (place / each).parent.mkdir(exist_ok=True)
                    (place / each).write_text(content)

    step, alive = 0, True
    while alive:
        root = tmp_path / str(step)
        root.mkdir()
        export(root, "first")
        theirs = {"runs/best.pt": b"weights", "a/notes.txt": b"notes"}
        for path, content in theirs.items():
            (root / "out" / path).parent.mkdir(exist_ok=True)
            (root / "out" / path).write_bytes(content)
        alive = killed_at(step, lambda root=root: export(root, "second"))  # type: ignore[misc]
        assert set(theirs.values()) <= set(tree(root).values()), step
        export(root, "third")
        assert {path: content for path, content in tree(root).items() if not path.endswith(file_list.FILE)} == {
            **{f"out/{path}": content for path, content in theirs.items()},
            "out/dinolabel.json": b"third", "out/a/1.txt": b"third", "out/b/third.txt": b"third",
        }, step  # fmt: skip
        shutil.rmtree(root)
        step += 1
    assert step > 10
