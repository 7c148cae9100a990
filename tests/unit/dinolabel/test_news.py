"""What the terminal of `dinolabel up` hears of its backend: a project that fails, a training that begins and ends, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.live import Live

from dinolabel.backend.http.server import create_app
from dinolabel.backend.project_status import FAILING
from dinolabel.cli import console
from dinolabel.local.backend_events import News, Reader, Training
from dinolabel.local.progress import ProjectProgress, Watch
from tests.unit.backend.conftest import World


def job(state: str, said: str = "", *, published: bool | None = None, name: str = "a1") -> Training:
    return Training(name, state, "31 new approved names", said, published)


WELL = News("synced")
FAILED = News("failed", "attached with big weights, but nano are running", "Start it as it was.")


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([WELL, WELL], []),
        ([WELL, FAILED, FAILED], ["needs attention: attached with big", "Start it as it was."]),
        ([FAILED, WELL], ["needs attention", "Start it as it was.", "all right again"]),
        ([FAILED, News("rejected", "another reason")], ["attached with big", "Start it as it was.", "another reason"]),
        ([News("unreachable", "no answer"), WELL], ["out of reach: no answer", "all right again"]),
        ([News("pending", "1 of 4 tasks cannot be done")], []),
        ([WELL, News(trainings=(job("queued"),)), News(trainings=(job("running"),))], ["Training begins: 31 new approved names."]),
        (
            [News(trainings=(job("running"),)), News(trainings=(job("done", "Macro-F1 0.9", published=True),))],
            ["Training begins", "Training is over, the new head is used from now on. Macro-F1 0.9"],
        ),
        ([WELL, News(trainings=(job("done", "Worse.", published=False),))], ["Training is over, the new head is not used. Worse."]),
        ([WELL, News(trainings=(job("failed", "Too few of lacy."),))], ["Training failed. Too few of lacy."]),
        ([WELL, News(trainings=(job("cancelled", "Cancelled."),))], ["Training was cancelled."]),
        ([News(trainings=(job("done", "of yesterday", published=True),)), WELL], []),
        (
            [WELL, News(trainings=(job("running", name="b2"), job("done", "Good.", published=True)))],
            ["Training is over", "Training begins"],
        ),
    ],
)
def test_each_thing_is_told_once(looks: list[News], expected: list[str]) -> None:
    reader = Reader()
    told = [sentence for each in looks for _, sentence in reader.lines(each)]
    assert len(told) == len(expected) and all(want in have for want, have in zip(expected, told, strict=True)), told


def test_it_reads_what_the_backend_really_says(tmp_path: Path) -> None:
    world = World(tmp_path)
    project = world.project(1)
    service = world.service()
    service.train(project, why="asked for by /train")
    asked = {"path": "/jobs", "headers": {"Accept": "application/json", "Host": "localhost"}}
    service.board.set(project, state="not_found")
    assert News.of(create_app(service).test_client().get(**asked).json, project).state in FAILING
    service.board.set(project, state="failed", note="Other weights are running.", hint="Start it as it was.")
    told = create_app(service).test_client().get(**asked).json
    news = News.of(told, project)
    assert (news.state, news.note, news.hint) == ("failed", "Other weights are running.", "Start it as it was.")
    assert [(each.state, each.why) for each in news.trainings] == [("queued", "asked for by /train")]
    assert News.of(told, project + 1) == News()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("looks", "lines"),
    [
        # a minute of filling: told at once and then every twenty seconds
        ([(ProjectProgress(60, 10 + each, 0), WELL) for each in range(31)], 4),
        # nothing changes: told once
        ([(ProjectProgress(60, 60, 5, ("tom",)), WELL)] * 300, 1),
        # a training of a minute, while nobody does anything else
        ([(ProjectProgress(60, 60, 5), News(trainings=(job("running"),)))] * 31, 4),
        # a person works fast: not a line for each picture
        ([(ProjectProgress(60, 60, each), WELL) for each in range(31)], 4),
    ],
)
def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], looks: list[Any], lines: int) -> None:
    clock = Clock()
    watch = Watch(lambda: looks[0][0], lambda: WELL, lambda: None, clock=clock)
    with Live(console=console.err, auto_refresh=False, transient=True) as live:
        for progress, news in looks:
            watch.tell(progress, news, live)
            clock.now += 2.0
    told = [each for each in capsys.readouterr().err.splitlines() if "pictures done" in each]
    assert len(told) == lines, told


def test_the_line_says_for_how_long_a_training_runs(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    watch = Watch(lambda: ProjectProgress(1, 1, 1), lambda: WELL, lambda: None, clock=clock)
    with Live(console=console.err, auto_refresh=False, transient=True) as live:
        for _ in range(2):
            watch.tell(ProjectProgress(9, 9, 5), News(trainings=(job("running"),)), live)
            clock.now += 45.0
    assert "training for 45 s" in capsys.readouterr().err
