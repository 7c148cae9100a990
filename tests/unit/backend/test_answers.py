"""What people answered, counted for the page: boxes and pictures of each name, several people's answers, disagreements; read cheaply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dinolabel.backend.http import dashboard
from dinolabel.backend.http.server import create_app
from dinolabel.backend.jobs import reviewed_answers
from dinolabel.backend.jobs.reviewed_answers import Answers, NameCount, Summary
from dinolabel.backend.project_status import ProjectStatus
from dinolabel.studio.label_configs.label_config import LabelConfig
from tests.doubles.scripted_studio import CONFIG
from tests.unit.backend.conftest import World
from tests.unit.backend.test_switch_steps import until_in_step

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def summary(world: World, reader: Answers, project: int) -> Summary:
    return reader.summary(
        project, LabelConfig.parse(world.studio.projects.get(project).label_config), list(world.studio.tasks.list(project))
    )


def test_boxes_and_pictures_of_each_name(world: World) -> None:
    project = world.project(5)
    first, second, third, *_ = world.ids(project)
    world.studio.annotate(first, ["jason", "jason", "thing"], at=NOON)
    world.studio.annotate(second, ["jason"], at=NOON)
    world.studio.annotate(third, [], at=NOON)
    found = summary(world, Answers(world.studio), project)  # type: ignore[arg-type]
    assert found.names == (NameCount("jason", 3, 2), NameCount("lacy", 0, 0))
    assert (found.by_answers, found.asked, found.disagreements, found.unread) == ((2, 3), 1, 0, 0)


def test_tasks_by_answers_and_disagreements_of_several_people(world: World) -> None:
    project = world.project(4)
    first, second, third, fourth = world.ids(project)
    for task in (first, second, third, fourth):
        world.studio.ask_for(task, 2)
    world.studio.annotate(first, ["jason"], at=NOON)
    world.studio.annotate(first, ["lacy"], at=NOON)
    world.studio.annotate(second, ["jason"], at=NOON)
    found = summary(world, Answers(world.studio), project)  # type: ignore[arg-type]
    assert (found.by_answers, found.asked, found.disagreements) == ((2, 1, 1), 2, 1)
    assert found.names == (NameCount("jason", 1, 1), NameCount("lacy", 0, 0))


def test_it_reads_a_bounded_number_at_once_and_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewed_answers, "MOST_AT_ONCE", 2)
    read: list[int] = []
    plain = world.studio.projects_export
    monkeypatch.setattr(world.studio, "projects_export", lambda project, *, tasks=None: read.extend(tasks) or plain(project, tasks=tasks))
    project = world.project(5)
    ids = world.ids(project)
    for place, task in enumerate(ids):
        world.studio.annotate(task, ["jason"], at=NOON + timedelta(minutes=place))
    reader = Answers(world.studio)  # type: ignore[arg-type]
    assert [summary(world, reader, project).unread for _ in range(4)] == [3, 1, 0, 0]
    assert read[:2] == [ids[4], ids[3]] and sorted(read) == ids, "the newest first, each once"
    assert summary(world, reader, project).names[0] == NameCount("jason", 5, 5)


def test_a_deleted_task_and_another_label_config_count_anew(world: World) -> None:
    project = world.project(2)
    first, second = world.ids(project)
    for task in (first, second):
        world.studio.annotate(task, ["jason"], at=NOON)
    reader = Answers(world.studio)  # type: ignore[arg-type]
    assert summary(world, reader, project).names[0].boxes == 2
    world.studio.remove_task(second)
    assert summary(world, reader, project).names[0].boxes == 1
    world.studio.projects.set_label_config(project, CONFIG.replace('<Label value="lacy"/>', '<Label value="maria"/>'))
    assert [each.name for each in summary(world, reader, project).names] == ["jason", "maria"]


@pytest.mark.parametrize(
    ("pictures", "judged", "lacks"),
    [
        (3, 8, "about 5 more pictures until it can be judged"),
        (7, 8, "about 1 more picture until it can be judged"),
        (8, 8, ""),
        (30, 8, ""),
        (0, None, ""),
    ],
)
def test_what_a_name_lacks_until_it_can_be_judged(pictures: int, judged: int | None, lacks: str) -> None:
    told = dashboard._answers(ProjectStatus(1, answers=Summary((NameCount("maria", 3, pictures),))), judged)
    assert told["names"] == [{"name": "maria", "boxes": 3, "lacks": lacks}]


@pytest.mark.parametrize(
    ("numbers", "asked", "said"),
    [
        ((12, 5, 3), 2, "12 without an answer, 5 with 1 of 2, 3 with 2 of 2"),
        ((4, 6), 1, "4 without an answer, 6 with one"),
        ((), 1, ""),
        ((0, 0), 1, ""),
    ],
)
def test_pictures_by_answers_in_words(numbers: tuple[int, ...], asked: int, said: str) -> None:
    assert dashboard._answers(ProjectStatus(1, answers=Summary(by_answers=numbers, asked=asked)), 8)["by_answers"] == said


def test_who_did_how_much_and_where_they_disagree_is_on_the_board_and_in_a_tab(world: World) -> None:
    project = world.project(3)
    first, second, third = world.ids(project)
    service = world.service(train_after=0)
    world.studio.annotate(first, ["jason", "lacy"], at=NOON, who=1)
    world.studio.annotate(first, ["lacy", "lacy"], at=NOON, who=2)
    world.studio.annotate(second, ["jason"], at=NOON, who=9)
    until_in_step(service, project)
    assert world.studio.shown_tabs == {"disagreements": [first]}
    asked = world.studio.calls.count("tab")
    until_in_step(service, project)
    assert world.studio.calls.count("tab") == asked, "the tab is written when something changed"
    told = dashboard._project(service, project)
    assert [(each["who"], each["boxes"], each["agreement"], each["compared"]) for each in told["people"]] == [
        ("person1@studio.test", 2, 50, 2), ("person2@studio.test", 2, 50, 2), ("9", 1, None, 0),
    ]  # fmt: skip
    html = create_app(service).test_client().get("/", headers={"Accept": "text/html"}).text
    assert "<td>2.00</td>" in html and "<td>–</td>" not in html
    assert f'<a href="http://studio.test/projects/{project}/data?tab=7">1</a>' in html and "person2@studio.test" in html
    world.studio.remove_task(first)
    world.studio.annotate(third, ["jason"], at=NOON, who=1)
    until_in_step(service, project)
    assert world.studio.shown_tabs == {}


def test_the_board_hears_of_it_where_nothing_is_trained_by_itself_too(world: World) -> None:
    project = world.project(2)
    service = world.service(train_after=0)
    world.studio.annotate(world.ids(project)[0], ["jason"], at=NOON)
    until_in_step(service, project)
    found = service.board.get(project).answers
    assert found is not None and found.names[0] == NameCount("jason", 1, 1)
