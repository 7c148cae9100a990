"""`dinolabel label-issues` as a person types it: what looks wrong, where to look, and a tab that holds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.vision.storage.cache import Cache
from tests.blobs import KnownOnly, World
from tests.doubles.studio_parts import StudioParts

NAMED = ["Felix", "Tom"]


class Board(StudioParts):
    """What the command may touch of Label Studio: one tab."""

    url = "http://studio.test"

    def __init__(self) -> None:
        self.shown_tabs: dict[str, list[int]] = {}

    @property
    def tab(self) -> list[int] | None:
        return self.shown_tabs.get("suspects")

    def tabs_show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        self.shown_tabs[name] = list(tasks)
        return f"{self.url}/projects/{project}/data?tab={8 if title == 'Disagreements' else 7}"

    def tabs_remove(self, project: int, name: str) -> bool:
        return self.shown_tabs.pop(name, None) is not None


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(factory, "embedder", lambda settings: KnownOnly())
    monkeypatch.setattr(factory, "studio_if_set", lambda settings: made)
    monkeypatch.setattr(console.out, "width", 200)
    return made


def export(folder: Path, *, wrong: int | None) -> None:
    world = World(picture=0.3).crowd(("jason", "lacy"), images=10)
    if wrong is not None:
        world.add("jason", image=wrong, label="lacy")
    world.write(folder / "exports" / "1", Cache(folder / "cache.sqlite", max_mb=16))


def test_the_wrong_one_is_printed_with_its_link_and_in_the_tab(board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, wrong=40)
    assert run(["label-issues", "--project", "1"]) == 0
    printed = capsys.readouterr().out
    assert "http://studio.test/projects/1/data?task=40" in printed
    assert "1 name of 21 approved boxes" in printed and "data?tab=7" in printed
    assert board.tab == [40]
    assert run(["label-issues", "--project", "1", "--json", "--no-mark"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["label_issues"]
    assert found["suspects"] == [row]  # its name until 0.2
    assert (row["task"], row["label"], row["guess"], found["tab"]) == (40, "lacy", "jason", None)


def test_when_nothing_looks_wrong_the_tab_goes(board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, wrong=None)
    board.shown_tabs = {"suspects": [1], "disagreements": [1]}
    assert run(["label-issues", "--project", "1"]) == 0
    assert "No name looks wrong among 20 approved boxes." in capsys.readouterr().out
    assert board.shown_tabs == {}


@pytest.mark.parametrize(
    ("report", "tasks", "said"),
    [
        (
            {"conflicts": [{"task": 6, "labels": NAMED}, {"task": 6, "labels": NAMED}]},
            [6],
            "about 2 objects, which are left out",
        ),
        (
            {"conflicts": [{"task": 9, "labels": NAMED}, {"task": 7, "labels": NAMED, "region": "r"}]},
            [9],
            "about 1 object, which is",
        ),
        ({"conflicts": [{"task": 7, "labels": NAMED, "region": "r"}]}, None, ""),  # one box with two names: nobody disagrees
        ({"conflicts": []}, None, ""),
        ({}, None, ""),
        ([], None, ""),
    ],
)
def test_disagreements_have_a_tab_and_a_sentence(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str], report: object, tasks: list[int] | None, said: str
) -> None:
    export(tmp_path, wrong=None)
    (tmp_path / "exports" / "1" / "report.json").write_text(json.dumps(report))
    assert run(["label-issues", "--project", "1"]) == 0
    printed = capsys.readouterr().out
    assert board.shown_tabs.get("disagreements") == tasks and ("disagree" in printed) is bool(said)
    assert said in printed and ("data?tab=8" in printed) is bool(said)
    assert run(["label-issues", "--project", "1", "--no-mark"]) == 0
    assert not tasks or f"data?task={tasks[0]}" in capsys.readouterr().out


def test_without_an_export_it_says_how_to_make_one(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["label-issues", "--project", "1"]) != 0
    assert "dinolabel export crops" in capsys.readouterr().err
