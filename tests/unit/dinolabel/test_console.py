"""What somebody wrote is printed as it is, by every command: brackets, colons and control characters are letters."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from dinolabel.studio.label_configs.label_config import build as label_config
from dinolabel.vision.errors import MediaError
from tests.doubles.coloured_things import picture
from tests.doubles.scripted_studio import ScriptedStudio
from tests.unit.backend.conftest import World

ODD = ["[/x]", "[b]", "car [any]", "[bold]x[/bold]", "[", "]", "\\[b]", ":cat:", "[link=x]y", "100 %"]
SOURCES = sorted((Path(__file__).parents[3] / "dinolabel").rglob("*.py"))


@pytest.mark.parametrize("text", ODD)
def test_a_string_is_printed_letter_by_letter(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.out.print(text, soft_wrap=True)
    console.out.print(console.ok(text), console.line(text, console.soft(text)), soft_wrap=True)
    table = console.table(text)
    table.add_row(text)
    console.out.print(table)
    console.out.print(console.rows([(text, text), (text, console.key(text))]))
    console.out.print(console.join([text, console.link(text)]), soft_wrap=True)
    console.print_error(MediaError(text, hint=text))
    with console.step(text) as came_out:
        came_out(text)
    told = capsys.readouterr()
    assert told.out.count(text) == 12, told.out
    assert told.err.count(text) >= 3


def test_nobody_writes_into_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.out.print("a\x1b[31mb\x07\u202ec\udcff", console.bad("\x1b]0;title\x07"), soft_wrap=True)
    assert capsys.readouterr().out == "a\\x1b[31mb\\x07\\u202ec\\udcff \\x1b]0;title\\x07\n"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_source_mixes_markup_into_what_it_prints(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "rich.markup" not in text, "console prints a string as it is: nothing is escaped"
    tags = re.findall(r"""["' ]\[(?:ok|warn|bad|soft|name|key|bold|dim)\](?=\S)|\[/\]""", text)
    assert not tags, f"{tags}: use console.ok(...), console.soft(...) and so on"


class Studio(ScriptedStudio):
    """With what `init` asks for."""

    def projects_create(self, title: str, xml: str, *, description: str = "", instruction: str = "") -> Any:
        return self.projects_get(self.add_project(xml, title=title))

    def tabs_set(self, project: int, name: str, data: Any) -> None: ...

    def tabs_show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        return f"{self.url}/projects/{project}/data?tab=7"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    made.studio = Studio()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "studio", lambda settings: made.studio)
    for each in (console.out, console.err):
        monkeypatch.setattr(each, "width", 300)
    return made


@pytest.mark.parametrize("text", ["[/x]", "[b]", "car [any]"])
def test_names_prompts_and_titles_come_back_as_they_were_typed(place: World, capsys: pytest.CaptureFixture[str], text: str) -> None:
    title = f"Cats [2024] {text}"
    assert run(["init", "--title", title, "--prompt", "cat face", "--names", text, "--weights", "nano"]) == 0
    told = capsys.readouterr()
    assert f"Made project 1, {title}:" in told.out and title in told.err and text in told.err
    for command, said in (
        (["names", "list"], text),
        (["names", "add", f"van {text}"], f"van {text} is on key"),
        (["names", "rename", f"van {text}", f"bus {text}"], f"van {text} is bus {text} now."),
        (["prompt", "add", f"dog {text}=dog"], f"→ dog {text}"),
        (["names", "list"], f"bus {text}"),
    ):
        assert run(command) == 0, command
        assert said in capsys.readouterr().out, command
    place.studio.add_project(label_config({"cat": text}, []), title=title)
    factory.projects(factory.Settings.load()).add(2, weights=("a", "b"), title=title, before={})
    assert run(["names", "list"]) == 2
    assert f"1 ({title})" in capsys.readouterr().err


def exported(text: str) -> list[dict[str, Any]]:
    """Two tasks with one box each; label, person, version and the second one's picture are called `text`."""
    value = {"x": 10, "y": 10, "width": 40, "height": 40, "rotation": 0, "rectanglelabels": [text]}
    region = {"id": "r", "from_name": "l", "to_name": "i", "type": "rectanglelabels", "original_width": 96, "original_height": 96}
    region |= {"value": value}
    done = {"id": 1, "result": [{**region, "origin": "manual"}], "completed_by": {"email": text}, "lead_time": 1}
    done |= {"parent_prediction": 5, "prediction": {"id": 5, "model_version": text, "result": [region]}}
    addresses = ("[b].png", f"{text} gone.png")
    return [{"id": number, "data": {"image": address}, "annotations": [done]} for number, address in enumerate(addresses, 1)]


@pytest.mark.parametrize("text", ["[/x]", "[b]", "car [any]"])
def test_files_labels_people_and_versions_too(place: World, capsys: pytest.CaptureFixture[str], text: str) -> None:
    folder = Path(text.replace("/", "_") + " [y]")
    folder.mkdir()
    picture(folder / "[b].png")
    (folder / "e.json").write_text(json.dumps(exported(text)))
    made = ["--from", f"{folder}/e.json", "--media", str(folder)]
    nano = ["--weights", "nano"]
    for command, code, out, err in (
        (
            ["export", "coco", *made, "--out", f"{folder}/o"],
            0,
            [f"{text} 2", f"to {folder}/o", f"{text} gone.png is not in"],
            [text],
        ),
        (["effort", *made, "--out", f"{folder}/page.html"], 0, [f"Wrote {folder}/page.html", text], []),
        (
            ["detect", str(folder), "--prompt", f"{text}=cat face", "--out", f"{folder}/f", *nano],
            0,
            [],
            [f"to {folder}/f", f"{folder}"],
        ),
        (["detect", f"{text}/none", "--prompt", "cat", *nano], 3, [], [f"There is no file or folder {text}/none"]),
        (["exclude-crops", f"{text}/none", "3"], 2, [], [text]),
        (["train", "--manifest", f"{text}/none", "--project", text, *nano], 6, [], [text]),
        (["heads", "list", "--project", text], 2, [], [text]),
    ):
        assert run(command) == code, (command, capsys.readouterr())
        told = capsys.readouterr()
        assert all(each in " ".join(told.out.split()) for each in out), (command, told.out)
        assert all(each in " ".join(told.err.split()) for each in err), (command, told.err)


@pytest.mark.parametrize("seconds", [0.0, 0.35])
def test_a_long_step_is_heard_of_in_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(console, "SAY_SECONDS", 0.1)
    with console.step("Starting [x]") as came_out:
        time.sleep(seconds)
        came_out("Started")
    told = capsys.readouterr().err.splitlines()
    assert [each for each in told if each.startswith("Starting [x] … ")] == told[:-1] and told[-1] == "✓ Started"
    assert bool(told[:-1]) == bool(seconds)


def test_a_terminal_shows_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", console.TextConsole(file=screen, force_terminal=True, width=80))
    with console.step("Starting"):
        time.sleep(1.3)
    assert "Starting 1 s" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
