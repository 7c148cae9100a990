"""Training by itself: enough names, newer than the last training, and nobody adding more just now; read cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dinolabel.backend.jobs.train_trigger import TrainCheck, TrainTrigger
from dinolabel.studio.label_configs.label_config import LabelConfig
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Queue:
    """Notes what is asked for; a job is on its way while `active`."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, str | None]] = []
        self.busy = False
        self.seen: str | None = None

    def train(self, project: int, *, why: str, until: str | None = None) -> str:
        self.asked.append((project, why, until))
        return "job"

    def active(self, project: int) -> str | None:
        return "job" if self.busy else None

    def seen_until(self, project: int) -> str | None:
        return self.seen


class Desk:
    """A project with tasks, a clock, and a trigger that looks at them."""

    def __init__(self, world, *, after: int = 3, quiet: float = 10.0, config: str = CONFIG) -> None:
        self.world, self.queue, self.now = world, Queue(), NOON
        self.project = world.project(8, label_config=config)
        self.config = LabelConfig.parse(config)
        self.trigger = TrainTrigger(
            world.studio, world.store, self.queue, train_after=after, quiet_seconds=quiet, clock=lambda: self.now.timestamp()
        )  # type: ignore[arg-type]
        self.free = iter(world.ids(self.project))

    def submit(self, labels: Sequence[str], **how) -> int:
        task = next(self.free)
        self.world.studio.annotate(task, labels, at=self.now, **how)
        return task

    def look(self) -> TrainCheck:
        return replace(
            self.trigger.check(self.project, self.config, self.world.studio.tasks.list(self.project)), newest=None
        )  # tests/unit/backend/test_events.py holds it

    def later(self, seconds: float) -> Desk:
        self.now += timedelta(seconds=seconds)
        return self


@pytest.fixture
def desk(world) -> Desk:
    return Desk(world)


def test_enough_and_quiet(desk: Desk) -> None:
    desk.submit(["jason", "lacy"])
    assert desk.look().approvals == 2
    desk.submit(["jason"])
    assert desk.look() == TrainCheck(3, None, 10.0)
    desk.later(4)
    assert desk.look() == TrainCheck(3, None, 6.0)
    desk.later(7)
    assert desk.look() == TrainCheck(3, "job")
    assert desk.queue.asked == [(desk.project, "3 new approved names", NOON.isoformat())]


def test_twice_as_many_do_not_wait_for_quiet(desk: Desk) -> None:
    desk.submit(["jason"] * 3)
    desk.submit(["lacy"] * 3)
    assert desk.look().job == "job"


@pytest.mark.parametrize(
    ("labels", "how", "counted"),
    [
        (["jason", "lacy"], {}, 2),
        (["thing", "thing"], {}, 0),
        (["nobody"], {}, 0),
        (["jason"], {"cancelled": True}, 0),
        ([], {}, 0),
        (["jason", "thing"], {}, 1),
    ],
)
def test_only_approved_names_count(desk: Desk, labels: list[str], how: dict, counted: int) -> None:
    desk.submit(labels, **how)
    assert desk.look().approvals == counted


def test_what_a_button_made_does_not_count(desk: Desk) -> None:
    desk.world.service().reconcile(desk.project)
    desk.submit(["jason", "jason", "lacy", "lacy"], by_button=True)
    assert desk.later(60).look() == TrainCheck(0)


def test_what_the_newest_bundle_has_seen_does_not_count(desk: Desk) -> None:
    desk.submit(["jason"] * 5)
    desk.world.store.publish(str(desk.project), bundle({"jason": RED, "lacy": GREEN}, trained_until=desk.now.isoformat()))
    desk.later(1).submit(["lacy"])
    assert desk.later(60).look() == TrainCheck(1)


def test_what_a_refused_training_has_seen_does_not_count_again(desk: Desk) -> None:
    desk.submit(["jason"] * 5)
    desk.queue.seen = desk.now.isoformat()
    assert desk.later(60).look() == TrainCheck(0)
    desk.submit(["jason"] * 3)
    assert desk.later(60).look().job == "job"


def test_not_while_a_training_is_on_its_way(desk: Desk) -> None:
    desk.submit(["jason"] * 9)
    desk.queue.busy = True
    assert desk.later(60).look() == TrainCheck(9)
    desk.queue.busy = False
    assert desk.look().job == "job"


@pytest.mark.parametrize("names", ["", '<Label value="unknown"/>'])
def test_not_where_there_is_nothing_to_learn(world, names: str) -> None:
    desk = Desk(world, config=CONFIG.replace('<Label value="jason"/><Label value="lacy"/>', names))
    desk.submit(["thing"] * 9)
    assert desk.later(60).look() == TrainCheck()
    assert "export" not in world.studio.calls


def test_never_by_itself_when_it_is_switched_off(world) -> None:
    desk = Desk(world, after=0)
    desk.submit(["jason"] * 99)
    assert desk.later(60).look() == TrainCheck()


def test_only_what_changed_is_read_again(desk: Desk) -> None:
    read: list[list[int]] = []
    plain = desk.world.studio.projects_export
    desk.world.studio.projects_export = lambda project, *, tasks=None: read.append(list(tasks)) or plain(project, tasks=tasks)
    first = desk.submit(["jason"])
    desk.look()
    desk.look()
    second = desk.later(1).submit(["lacy"])
    desk.look()
    desk.later(1)
    desk.world.studio.annotate(first, ["lacy"], at=desk.now)
    assert desk.look().approvals == 1, "one object under two names is a conflict, and counts for neither"
    assert read == [[first], [second], [first]]


def test_a_deleted_task_is_forgotten(desk: Desk) -> None:
    task = desk.submit(["jason"] * 3)
    assert desk.look().approvals == 3
    desk.world.studio.remove_task(task)
    assert desk.look().approvals == 0


def test_another_label_config_is_read_anew(desk: Desk) -> None:
    desk.submit(["jason", "maria"])
    assert desk.look().approvals == 1
    desk.config = LabelConfig.parse(CONFIG.replace('<Label value="lacy"/>', '<Label value="lacy"/><Label value="maria"/>'))
    assert desk.look().approvals == 2
