"""`dinolabel pause`, `heads approve`, `heads policy` and `select` as a person types them, a backend beside them on the same data folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.cli import console
from tests.doubles.coloured_things import BLUE, GREEN, RED, YELLOW, Colour, bundle, picture
from tests.doubles.scripted_studio import ScriptedStudio
from tests.unit.backend.conftest import World
from tests.unit.backend.test_switch_steps import until_in_step


class Studio(ScriptedStudio):
    """With tabs."""

    def __init__(self) -> None:
        super().__init__()
        self.shown_tabs: dict[str, list[int]] = {}

    def tabs_show_tasks(self, project: int, name: str, title: str, tasks: Sequence[int]) -> str:
        self.shown_tabs[title] = list(tasks)
        return f"{self.url}/projects/{project}/data?tab=7"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    made.studio = Studio()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "studio", lambda settings: made.studio)
    monkeypatch.setattr(factory, "media", lambda settings, **how: made.media)
    monkeypatch.setattr(factory, "pipeline", lambda settings, **how: made.pipeline())
    monkeypatch.setattr(console.out, "width", 200)
    yield made
    for each in made.services:
        each.stop()


def test_a_paused_project_is_left_as_it_is_until_it_goes_on(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    project = place.project(2)
    service = place.service()
    assert run(["pause"]) == 0
    assert f"Project {project} is paused" in capsys.readouterr().out
    assert service.reconcile(project).state == "paused"
    assert place.studio.projects.model_versions(project) == {}
    assert run(["pause", "--project", str(project), "--off"]) == 0
    assert "goes on" in capsys.readouterr().out
    until_in_step(service, project)
    assert list(place.studio.projects.model_versions(project).values()) == [2]


def test_a_head_that_waits_is_shown_after_the_yes(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    project = place.project(2)
    service = place.service()
    until_in_step(service, project)
    assert run(["heads", "policy", "manual"]) == 0
    assert "policy = manual; verdicts are told on the backend's page" in capsys.readouterr().out
    assert run(["heads", "approve"]) == 0
    assert "No head waits" in capsys.readouterr().out

    head = place.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    until_in_step(service, project)
    assert place.store.current(str(project)) is None
    assert run(["publish"]) == 0
    assert f"Agreed to {head}" in capsys.readouterr().out
    until_in_step(service, project)
    assert place.store.current(str(project)) == head
    assert place.studio.labels_of(place.ids(project)[0], place.studio.projects.get(project).model_version) == ["jason", "lacy"]


def test_asking_from_now_on_leaves_what_is_shown_and_auto_shows_the_newest(place: World) -> None:
    project = place.project(1)
    service = place.service()
    shown = place.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    until_in_step(service, project)
    assert run(["heads", "policy", "manual"]) == 0
    newer = place.store.publish(str(project), bundle({"jason": GREEN, "lacy": RED}))
    until_in_step(service, project)
    assert place.store.current(str(project)) == shown
    assert run(["heads", "policy", "auto"]) == 0
    until_in_step(service, project)
    assert place.store.current(str(project)) == newer


def test_verdicts_go_into_the_description_where_asked(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    project = place.project(1)
    place.store.add_verdict(str(project), {"at": "2026-11-22T12:00:00+00:00", "published": False, "reason": "Too few of lacy."})
    assert run(["heads", "policy", "--describe"]) == 0
    assert "verdicts are told in its description" in capsys.readouterr().out
    until_in_step(place.service(), project)
    assert "Too few of lacy." in place.studio.projects.get(project).description


def test_the_most_varied_tab_holds_one_of_each_kind_first(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    project, colours = place.project(0), [RED, RED, GREEN, RED, BLUE, GREEN]
    tasks = draw(place, project, colours)
    (done,) = draw(place, project, [YELLOW])
    place.studio.annotate(done, ["jason"])
    place.studio.add_tasks(project, ["/data/never.png"])
    assert run(["select", "--diverse", "--count", "3"]) == 0
    assert "3 tasks, the most varied of 6: http://studio.test/projects/" in capsys.readouterr().out
    kinds = dict(zip(tasks, colours, strict=True))
    assert {kinds[each] for each in place.studio.shown_tabs["Most varied"]} == {RED, GREEN, BLUE}


def test_without_any_box_it_says_what_comes_first(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    project = place.project(0)
    draw(place, project, [None])
    assert run(["select", "--diverse"]) != 0
    assert "No open task has a box to go by" in capsys.readouterr().err
    assert place.studio.shown_tabs == {}


@pytest.mark.parametrize(("words", "policy"), [(["--mode", "ask"], "manual"), (["--mode", "auto"], "auto"), (["--mode", "no"], None)])
def test_the_word_of_the_last_release_still_sets_the_policy(
    place: World, words: list[str], policy: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    place.project(0)
    assert run(["publish", *words]) == (0 if policy else 2)
    said = capsys.readouterr()
    assert f"policy = {policy}" in said.out if policy else "'no' is no policy" in said.err


@pytest.mark.parametrize(
    "command", ["pause", "heads approve", "heads policy", "select --diverse", "publish", "publish --mode ask", "varied"]
)
def test_a_project_that_is_not_attached_is_named_with_the_way_to_join_it(
    place: World, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--project", "7"]) == 2
    assert "Project 7 is not attached" in (said := capsys.readouterr().err) and "dinolabel attach --project 7" in said


def draw(place: World, project: int, colours: Sequence[Colour | None]) -> list[int]:
    """A task for each, with one thing of that colour, or nothing, on it."""
    begin = len(list(place.photos.iterdir()))
    names = [f"drawn{begin + at:03}.png" for at in range(len(colours))]
    for name, colour in zip(names, colours, strict=True):
        picture(place.photos / name, *([] if colour is None else [(colour, (20, 20, 60, 60))]))
    return place.studio.add_tasks(project, [f"/data/{name}" for name in names])
