"""Two backends that share nothing but Label Studio: one writes, the other says so, and takes over when the first is gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dinolabel.backend.reconciler import lease
from dinolabel.backend.reconciler.lease import LeaseHeldByOther, WriterLease, owner_of
from dinolabel.studio.errors import StudioRefused
from tests.unit.backend.conftest import NANO, World


@pytest.fixture
def other(world: World, tmp_path: Path) -> World:
    """Another machine's backend on the same Label Studio."""
    made = World(tmp_path / "other")
    made.studio, made.media = world.studio, world.media
    return made


def test_one_writes_and_the_other_says_who_does(world: World, other: World) -> None:
    project = world.project(3)
    other.projects.add(project, weights=NANO)
    assert world.service().reconcile(project).complete
    second = other.service()
    outcome = second.reconcile(project)
    owner = owner_of(world.root / "data").rpartition(".")[0]
    assert (outcome.state, outcome.pushed) == ("standby", 0)
    assert f"Another backend, {owner}, writes to project {project}" in outcome.note
    assert "detach" in outcome.hint and outcome.requeue_after
    assert second.board.get(project).state == "standby"
    assert [len(world.studio.versions_of(each)) for each in world.ids(project)] == [1, 1, 1]


def test_it_takes_over_when_the_first_has_been_silent_long_enough(world: World, other: World) -> None:
    project = world.project(2)
    other.projects.add(project, weights=NANO)
    world.service().reconcile(project)
    second = other.service()
    second.reconcile(project)
    world.add(project, 1)
    world.studio.now += timedelta(seconds=91)
    assert second.reconcile(project).pushed == 1


def test_a_restart_is_the_same_writer(world: World, other: World) -> None:
    project = world.project(2)
    other.projects.add(project, weights=NANO)
    assert world.service().reconcile(project).complete
    other.service().reconcile(project)
    assert world.service().reconcile(project).complete


def test_label_studio_is_asked_now_and_then_only(world: World) -> None:
    project = world.project(1)
    now = [0.0]
    writing = WriterLease(world.studio, "here.1", clock=lambda: now[0])
    for _ in range(5):
        writing.acquire(project)
    assert world.studio.calls.count("lease") == 1
    now[0] += lease.RENEW_SECONDS
    writing.acquire(project)
    assert world.studio.calls.count("lease") == 2


def test_a_lease_that_is_lost_is_noticed(world: World) -> None:
    project = world.project(1)
    now = [0.0]
    writing = WriterLease(world.studio, "here.1", clock=lambda: now[0])
    writing.acquire(project)
    world.studio.leases.drop(project, "here.1")
    world.studio.leases.renew(project, "there.2")
    now[0] += lease.RENEW_SECONDS
    for _ in range(2):
        with pytest.raises(LeaseHeldByOther, match="Another backend, there, writes"):
            writing.acquire(project)


def test_who_may_make_no_webhook_may_push_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    project = world.project(2)

    def refuse(*_: object) -> None:
        raise StudioRefused("Label Studio refused POST (403)", status=403)

    monkeypatch.setattr(world.studio, "leases_renew", refuse)
    assert world.service().reconcile(project).complete
