"""`dinolabel forget` in exports of every format: only where the name is, only our files; what is a person's stays byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.erasure.exports import crops
from dinolabel.exporters import formats
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output import file_list
from dinolabel.vision.types import Image
from tests.doubles.annotated import age, mixed
from tests.doubles.scripted_studio import ScriptedStudio

FORMATS = ["coco", "crops", "csv", "hf", "labelstudio", "parquet", "voc", "xmp", "yolo"]
WHO, OTHER = "jason", "nina"  # of nina there is no box
LISTS = {"coco": {"dinolabel.report", "annotations/instances_train.json", "annotations/instances_val.json"},
         "crops": {"report.json"}, "csv": {"dinolabel.report"}, "labelstudio": {"dinolabel.report", "label_config.xml"},
         "hf": {"dinolabel.report", "train/dataset_info.json", "train/data-00000-of-00001.arrow",
                "validation/dataset_info.json", "validation/data-00000-of-00001.arrow"},
         "parquet": {"dinolabel.report"}, "voc": {"dinolabel.report", "labelmap.txt"}, "xmp": {"dinolabel.report"},
         "yolo": {"dinolabel.report", "data.yaml", "classes.txt"}}  # fmt: skip


class World:
    def __init__(self, root: Path) -> None:
        self.data, self.out = root / "data", root / "elsewhere" / "out"
        self.annotated = mixed(root / "pictures")
        self.annotated.labels = ("jason", OTHER, "lacy", "unknown")
        self.studio = ScriptedStudio()
        self.project = self.studio.add_project(self.annotated.xml)
        self.data.mkdir()

    def write(self, name: str, *, listed: bool = True, **more: Any) -> None:
        crops.note(self.data, str(self.project), self.out, name)
        given = {"open_image": self.annotated.open, "find": self.annotated.find, "wish": ExportOptions(), "xml": self.annotated.xml, **more}
        formats.load(name).export(self.annotated.tasks, self.annotated.config, self.out, **given)
        if not listed:
            age(self.out)

    def forget(self, who: str) -> int:
        return run(["forget", who, "--project", str(self.project), "--yes"])


def as_before(lists: set[str]) -> set[str]:
    """Those that exports without a list of their files had."""
    return {each.replace(".report", ".json") for each in lists} - {"classes.txt", "labelmap.txt"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in file_list.files(folder) if not path.endswith("/")}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(console.out, "width", 400)
    monkeypatch.setattr(console.err, "width", 400)
    made = World(tmp_path)

    def set_label_config(project: int, xml: str) -> None:
        made.studio.set(project, label_config=xml)

    monkeypatch.setattr(made.studio, "projects_set_label_config", set_label_config, raising=False)
    monkeypatch.setattr(factory, "studio", lambda settings: made.studio)
    return made


def strangers(out: Path) -> dict[Path, bytes]:
    """What a person put into the folder and beside it."""
    (out / "runs").mkdir()
    (out / "runs/best.pt").write_bytes(bytes(range(256)))
    (out / "notes.txt").write_text("jason has a birthday")
    (out / "jason").mkdir()
    (out / "jason/photo.png").write_bytes(b"\x89PNG of a person")
    for name in (f".{out.name}.backup", f".{out.name}.partial-mine"):
        (out.with_name(name)).mkdir()
        (out.with_name(name) / "jason.txt").write_text("mine")
    return {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file() and path.name in {
        "best.pt", "notes.txt", "photo.png", "jason.txt"}}  # fmt: skip


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "from before lists"])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_a_persons_stays_and_is_named(world: World, capsys: pytest.CaptureFixture[str], name: str, listed: bool) -> None:
    world.write(name, listed=listed)
    theirs = strangers(world.out)
    assert len(theirs) == 5
    ours = set(contents(world.out)) - {path.relative_to(world.out).as_posix() for path in theirs if path.is_relative_to(world.out)}
    assert world.forget(WHO) == 0
    printed = capsys.readouterr()
    assert {path: path.read_bytes() for path in theirs} == theirs
    left = {path for path in contents(world.out) if path in ours} - {file_list.FILE}
    for path in left if listed or name not in ("voc", "yolo", "hf") else ():
        assert WHO.encode() not in (world.out / path).read_bytes() and WHO not in path
    if name == "crops":
        assert {json.loads(line)["label"] for line in (world.out / "manifest.jsonl").read_text().splitlines()} == {
            "lacy",
            None,
            "face",
            "unknown",
        }
    elif listed:
        assert not left
    else:  # pictures without a digest in the index
        assert {Path(path).suffix for path in left} <= {".png", ".jpg", ".json"}
        assert all(f"{world.out / path}: " in printed.out and "may still show them" in printed.out for path in left)
    assert f"{world.out}: removes" in printed.err
    assert f"the file {world.out / 'notes.txt'}" in printed.out and f"{world.out / 'jason/photo.png'}" in printed.out
    assert "best.pt" not in printed.out or not listed


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "from before lists"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_name_in_no_box_costs_only_what_lists_it(world: World, name: str, listed: bool) -> None:
    world.write(name, listed=listed)
    strangers(world.out)
    before = contents(world.out)
    assert world.forget(OTHER) == 0
    after = contents(world.out)
    assert set(after) == set(before)
    assert {path for path in before if after[path] != before[path]} - {file_list.FILE} == (
        LISTS[name] if listed else as_before(LISTS[name])
    )
    assert not [path for path, content in after.items() if OTHER.encode() in content]
    if listed:
        assert all(file_list.is_unchanged(world.out, each) for each in file_list.entries(world.out))


@pytest.mark.parametrize("name", FORMATS)
def test_a_name_that_is_nowhere_touches_nothing(world: World, capsys: pytest.CaptureFixture[str], name: str) -> None:
    world.write(name)
    strangers(world.out)
    before = contents(world.out)
    assert world.forget("Jr") == 0
    assert contents(world.out) == before
    assert f"{world.out}: has nothing of them" in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_ours_that_a_person_changed_is_kept_and_named(world: World, capsys: pytest.CaptureFixture[str], name: str) -> None:
    world.write(name)
    suffix = {"coco": ".json", "csv": ".csv", "hf": ".arrow", "labelstudio": ".json", "parquet": ".parquet", "voc": ".xml", "xmp": ".xmp",
              "yolo": ".txt", "crops": ".png"}[name]  # fmt: skip
    own = sorted(path for path in contents(world.out) if path.endswith(suffix) and path != "dinolabel.report")
    path = next(each for each in own if WHO in each) if name == "crops" else own[0]
    changed = world.out / path
    changed.write_bytes(changed.read_bytes() + b"\n")
    before = changed.read_bytes()
    assert world.forget(WHO) == 0
    assert changed.read_bytes() == before
    assert f"{changed}: was changed since the export; it may still show them" in capsys.readouterr().out


@pytest.mark.parametrize("name", FORMATS)
def test_the_folder_can_be_exported_to_again(world: World, name: str) -> None:
    world.write(name)
    (world.out / "runs").mkdir()
    (world.out / "runs/best.pt").write_bytes(b"weights")
    assert world.forget(WHO) == 0
    world.write(name)
    assert (world.out / "runs/best.pt").read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["coco", "crops", "yolo"])
@pytest.mark.parametrize("noted", [True, False], ids=["paths noted", "of an earlier version"])
def test_a_stopped_export_loses_what_it_wrote_and_nothing_else(world: World, name: str, noted: bool) -> None:
    def dies(address: str) -> Image:
        if address.endswith("3.png"):
            raise KeyboardInterrupt
        return world.annotated.open(address)

    with pytest.raises(KeyboardInterrupt):
        world.write(name, open_image=dies)
    place = world.out.with_name(".out.unfinished")
    if not noted:
        (place / "paths.jsonl").unlink()
    (place / "notes.txt").write_text("mine")
    (place / "whole/mine.txt").write_text("mine too")
    assert world.forget("Jr") == 0
    assert len(contents(place)) > 4
    assert world.forget(WHO) == 0
    assert contents(place) == {"notes.txt": b"mine", "whole/mine.txt": b"mine too"}


def test_links_are_not_followed(world: World, tmp_path: Path) -> None:
    """A manifest that names a file outside, and a folder of crops that is a link."""
    world.write("crops", listed=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.png").write_bytes(b"mine")
    (world.out / "linked").symlink_to(tmp_path / "mine")
    manifest = world.out / "manifest.jsonl"
    row = json.loads(manifest.read_text().splitlines()[0])
    rows = [{**row, "crop": crop} for crop in ("linked/a.png", "../../mine/a.png", str(tmp_path / "mine/a.png"), "linked")]
    manifest.write_text("".join(json.dumps(each) + "\n" for each in rows) + "no json\n")
    assert world.forget(WHO) == 0
    assert (tmp_path / "mine/a.png").read_bytes() == b"mine" and (world.out / "linked").is_symlink()
    assert manifest.read_text() == "no json\n"


def test_a_folder_that_another_project_wrote_to_since_is_that_ones(world: World) -> None:
    world.write("coco")
    crops.note(world.data, "77", world.out, "coco")
    before = contents(world.out)
    assert world.forget(WHO) == 0
    assert contents(world.out) == before


def test_an_annotator_of_that_name_is_not_named_any_more_and_the_others_crops_stay(world: World) -> None:
    world.annotated.tasks[0]["annotations"][0]["completed_by"] = {"id": 1, "email": f"{OTHER}@lab.org"}
    world.write("crops")
    before = contents(world.out)
    assert world.forget(OTHER) == 0
    after = contents(world.out)
    assert set(after) == set(before) and not [path for path, content in after.items() if OTHER.encode() in content]


def test_the_plan_counts_before_it_asks(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("coco")
    (world.out / "notes.txt").write_text("mine")
    before = contents(world.out)
    assert run(["forget", WHO, "--project", str(world.project)]) != 0  # nobody to ask
    assert contents(world.out) == before
    assert f"{world.out}: removes {len(before) - 2} files, keeps 1 file of others" in capsys.readouterr().err


def test_peoples_files_in_the_data_folder_stay(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    mine = [world.data / each for each in ("media/jason.txt", f"previews/{world.project}/jason.png", f"bundles/{world.project}/jason/a.txt",
                                           f"bundles/{world.project}/notes.json", "exports/jason.txt")]  # fmt: skip
    for each in mine:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text('{"who": "jason"}')
    (world.data / f"previews/{world.project}/preview.png").write_bytes(b"pixels")
    assert world.forget(WHO) == 0
    assert all(each.read_text() == '{"who": "jason"}' for each in mine)
    assert not (world.data / f"previews/{world.project}/preview.png").exists()
    printed = capsys.readouterr().out
    assert all(f"the file {each}" in printed for each in mine[:4])


@pytest.mark.parametrize("spelt", ["Jos\u00e9", "Jose\u0301"], ids=["composed", "decomposed"])
def test_both_forms_of_a_name_go(world: World, spelt: str) -> None:
    world.annotated.labels = ("Jos\u00e9", "lacy")
    for each in world.annotated.tasks[:2]:
        for region in each["annotations"][0]["result"]:
            region["value"]["rectanglelabels"] = ["Jos\u00e9"]
    world.write("crops")
    assert world.forget(spelt) == 0
    assert not [row for row in map(json.loads, (world.out / "manifest.jsonl").read_text().splitlines()) if row["label"] == "Jos\u00e9"]


def test_a_copy_of_the_export_elsewhere_is_out_of_reach(world: World, tmp_path: Path) -> None:
    world.write("yolo")
    shutil.copytree(world.out, tmp_path / "copy")
    before = contents(tmp_path / "copy")
    assert world.forget(WHO) == 0
    assert contents(tmp_path / "copy") == before
