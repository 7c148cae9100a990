"""Keys in Label Studio's editor: given beside a person's others, remembered, put back, and never against what they chose since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dinolabel import __main__, factory
from dinolabel.cli import console
from dinolabel.projects import hotkeys as keyboard
from dinolabel.projects.hotkeys import NEXT, OURS, SUBMIT, USUAL
from dinolabel.studio.client import StudioUser
from dinolabel.studio.errors import StudioDenied
from dinolabel.vision.errors import RequestError
from tests.doubles.scripted_studio import CONFIG
from tests.doubles.studio_parts import StudioParts

JO, ME = StudioUser(3, "jo@example.org"), StudioUser(1, "me@example.org")
LOCK = {"regions:region:lock": {"key": "alt+j", "active": True}}


class Keeper(StudioParts):
    """Label Studio's side of it: people, their keys, and projects with label configs."""

    url = "http://studio.test"

    def __init__(self, *configs: str) -> None:
        self.keys: dict[int, dict[str, Any]] = {1: {}, 3: {}}
        self.configs = configs

    def users_whoami(self) -> dict[str, Any]:
        return {"id": ME.id, "email": ME.email}

    def users_list(self) -> list[StudioUser]:
        return [ME, JO]

    def users_hotkeys(self, person: int) -> dict[str, Any]:
        return dict(self.keys[person])

    def users_set_hotkeys(self, person: int, keys: Mapping[str, Any]) -> None:
        self.keys[person] = dict(keys)

    def projects_list(self) -> list[Any]:
        return [self.projects_get(number) for number in range(1, len(self.configs) + 1)]

    def projects_get(self, number: int) -> Any:
        return type("Project", (), {"id": number, "title": f"P{number}", "label_config": self.configs[number - 1]})


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def test_they_go_beside_the_others_and_come_back_as_they_were(keeper: Keeper, tmp_path: Path) -> None:
    keeper.keys[3] = {NEXT: {"key": "tab", "active": False}, **LOCK}
    keyboard.give(keeper, JO, OURS, tmp_path)
    keyboard.give(keeper, JO, {NEXT: "m"}, tmp_path)
    assert keeper.keys[3] == {NEXT: {"key": "m", "active": True}, SUBMIT: {"key": "space", "active": True}, **LOCK}
    assert keeper.keys[1] == {}
    assert keyboard.take_back(keeper, JO, tmp_path) == ([NEXT, SUBMIT], [])
    assert keeper.keys[3] == {NEXT: {"key": "tab", "active": False}, **LOCK}
    assert keyboard.take_back(keeper, JO, tmp_path) == ([], [])


def test_what_a_person_chose_since_is_left_alone(keeper: Keeper, tmp_path: Path) -> None:
    keyboard.give(keeper, JO, OURS, tmp_path)
    keeper.keys[3][NEXT] = {"key": "tab", "active": True}
    assert keyboard.take_back(keeper, JO, tmp_path) == ([SUBMIT], [NEXT])
    assert keeper.keys[3] == {NEXT: {"key": "tab", "active": True}}


def test_up_gives_them_once_and_not_against_a_choice(keeper: Keeper, tmp_path: Path) -> None:
    assert keyboard.give_ours(keeper, JO, tmp_path) == {NEXT: "n", SUBMIT: "space"}
    keeper.keys[3][NEXT] = {"key": "tab", "active": True}
    assert keyboard.give_ours(keeper, JO, tmp_path) == {NEXT: "tab", SUBMIT: "space"}
    keyboard.take_back(keeper, JO, tmp_path)
    assert keyboard.give_ours(keeper, JO, tmp_path) == {NEXT: "tab", SUBMIT: USUAL[SUBMIT]}


def test_another_label_studio_is_another_person(keeper: Keeper, tmp_path: Path) -> None:
    keyboard.give(keeper, JO, OURS, tmp_path)
    other = Keeper()
    other.url = "http://other.test"
    other.keys[3] = {NEXT: {"key": "n", "active": True}}
    assert keyboard.take_back(other, JO, tmp_path) == ([], [])
    assert other.keys[3] == {NEXT: {"key": "n", "active": True}}


def test_the_memory_has_a_version_and_is_for_this_user_only(keeper: Keeper, tmp_path: Path) -> None:
    keyboard.give(keeper, JO, OURS, tmp_path)
    file = tmp_path / keyboard.MEMORY
    assert json.loads(file.read_text())["format"] == 1
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({NEXT: "u"}, "unselect"),
        ({NEXT: "backspace"}, "delete the box"),
        ({SUBMIT: "hyper+x"}, "no key"),
        ({NEXT: "n", SUBMIT: "N"}, "Both"),
    ],
)
def test_keys_that_cannot_work_are_named(wishes: dict[str, str | None], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        keyboard.check_keys(wishes)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    keeper = Keeper(CONFIG, CONFIG.replace('value="lacy"', 'value="lacy" hotkey="n"'))
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(factory, "studio", lambda settings: keeper)
    for each in (console.out, console.err):
        monkeypatch.setattr(each, "width", 200)

    def run(*arguments: str) -> tuple[int, str, Keeper]:
        code = __main__.run(["hotkeys", *arguments])
        caught = capsys.readouterr()
        return code, caught.out + caught.err, keeper

    return run


def test_the_command_sets_shows_and_puts_back(typed: Any) -> None:
    assert "me@example.org: alt+. next box, ctrl+enter submit" in typed()[1]
    code, said, keeper = typed("--next", "n", "--submit", "space", "--user", "JO@example.org")
    assert (code, keeper.keys[1], keeper.keys[3][NEXT]["key"]) == (0, {}, "n")
    assert "jo@example.org: n next box, space submit" in said and "In project 2, P2, n is the key of “lacy”" in said
    assert "alt+. next box" in typed("--undo", "--user", "jo@example.org")[1]
    assert keeper.keys[3] == {}


def test_everybody_gets_them_and_everybody_gets_theirs_back(typed: Any) -> None:
    code, said, keeper = typed("--next", "m", "--everybody")
    assert (code, {person: keys[NEXT]["key"] for person, keys in keeper.keys.items()}) == (0, {1: "m", 3: "m"})
    assert "hotkeys --undo --everybody" in said and said.count("m next box") == 2
    assert typed("--everybody")[1].count("m next box") == 2
    code, said, keeper = typed("--undo", "--everybody")
    assert (code, keeper.keys) == (0, {1: {}, 3: {}}) and said.count("alt+. next box") == 2
    code, said, keeper = typed("--next", "m", "--everybody", "--user", "jo@example.org")
    assert (code, keeper.keys) == (2, {1: {}, 3: {}}) and "--user" in said


@pytest.mark.parametrize(("denied", "code", "changed"), [({1}, 0, {3}), ({3}, 0, {1}), ({1, 3}, 5, set())])
def test_whose_keys_may_not_be_set_costs_the_others_nothing(typed: Any, denied: set[int], code: int, changed: set[int]) -> None:
    keeper = typed()[2]
    set_hotkeys = keeper.users.set_hotkeys

    def refuse(person: int, keys: Mapping[str, Any]) -> None:
        if person in denied:
            raise StudioDenied("The token's owner may not do this.")
        set_hotkeys(person, keys)

    keeper.users.set_hotkeys = refuse
    ended, said, _ = typed("--next", "m", "--everybody")
    assert ended == code and {person for person, keys in keeper.keys.items() if keys} == changed
    assert all(f"{each.email} is left as before" in said for each in (ME, JO) if each.id in denied and changed)


def test_the_command_refuses_what_would_cost_a_label_its_key(typed: Any) -> None:
    code, said, keeper = typed("--next", "n", "--project", "2")
    assert (code, keeper.keys) == (2, {1: {}, 3: {}}) and "“lacy”" in said
    code, said, _ = typed("--next", "n", "--user", "nobody@example.org")
    assert code == 2 and "nobody@example.org" in said and "jo@example.org" in said
