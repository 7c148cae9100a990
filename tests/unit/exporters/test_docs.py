"""Every command and every piece of Python in docs/exports.md is run, in a folder with the files it names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.exporters import formats, importers
from tests.doubles.annotated import mixed
from tests.doubles.shelf import Shelf

TEXT = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
EXPORTS = [line for line in COMMANDS if line.startswith("dinolabel export") and "FORMAT" not in line]
OWN = [line for line in COMMANDS if line.startswith("dinolabel import") and line.split()[2] in formats.names()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")  # not the cache of whoever runs the tests
    world = mixed(tmp_path / "pictures")
    world.save(tmp_path / "export.json")
    shutil.move(tmp_path / "export.xml", tmp_path / "labels.xml")
    return tmp_path


def test_every_format_has_its_command() -> None:
    assert sorted(line.split()[2] for line in EXPORTS) == formats.names()
    assert sorted(line.split()[2] for line in COMMANDS if line.startswith("dinolabel import")) == importers.names()


@pytest.mark.parametrize("line", EXPORTS, ids=lambda line: line.split()[2])
def test_an_export_and_its_reader(place: Path, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()[1:]) == 0
    name = line.split()[2]
    section = TEXT.split(f"\n### {name}")[1].split("\n### ")[0].split("\n## ")[0]
    for code in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        scope: dict[str, Any] = {}
        exec(compile(code, str(place / name), "exec"), scope)
        if name == "csv":  # numbers, with a negative among the pictures
            assert (scope["boxes"].x2 - scope["boxes"].x1).max() > 10 and scope["boxes"].x1.isna().sum() == 1
            assert set(scope["boxes"].label) > {"jason", ""}
    for command in re.findall(r"^exiftool .*", section, re.MULTILINE):
        if shutil.which("exiftool"):
            assert b"jason" in subprocess.run(command.split(), cwd=place, check=True, capture_output=True).stdout


@pytest.mark.parametrize("line", OWN, ids=lambda line: line.split()[2])
def test_an_import(place: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(place / "uploads")
    monkeypatch.setattr(factory, "studio", lambda settings: shelf)
    monkeypatch.setattr(factory, "media", lambda settings, **how: shelf)
    export = next(each for each in EXPORTS if each.split()[2] == line.split()[2])
    assert run([*export.split()[1:-1], "old"]) == 0
    more = ["--media", "pictures"] if line.split()[2] in ("crops", "labelstudio", "xmp") else []
    assert run([*line.split()[1:], "--yes", *more]) == 0
    assert any(each["annotations"] for each in shelf.rows.values())


def test_the_report(place: Path) -> None:
    (line,) = (line for line in COMMANDS if line.startswith("dinolabel effort"))
    assert run(line.split()[1:]) == 0
    assert (place / "effort.html").is_file()


def test_a_dry_run_counts_and_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in EXPORTS if line.split()[2] == "coco")
    before = sorted(place.rglob("*"))
    assert run([*line.split()[1:], "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "jason 2, lacy 1" in said and "negatives" in said and "1 annotation" in said
    assert sorted(place.rglob("*")) == before
