"""Old predictions go, after a grace; those on show, those before them, others', and those a button was pressed on stay."""

from __future__ import annotations

import pytest

from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.waiting import until_in_step


def switched(world, heads: int, **options):
    """A project that has shown the detector's version and then that many heads; the versions in that order."""
    project = world.project(3)
    service = world.service(**options)
    versions = []
    for number in range(heads + 1):
        if number:
            names = {"jason": RED, "lacy": GREEN} if number % 2 else {"jason": GREEN, "lacy": RED}
            world.store.publish(str(project), bundle({**names, **({"odd": (10, 10, 10 * number)} if number > 2 else {})}))
        until_in_step(service, project)
        versions.append(world.studio.projects.get(project).model_version)
    return project, service, versions


def test_all_but_the_last_two_go(world) -> None:
    project, _, versions = switched(world, 3, grace_seconds=0.0)
    assert len(set(versions)) == 4
    assert set(world.studio.projects.model_versions(project)) == set(versions[-2:])
    entry = world.projects.get(project)
    assert entry is not None and entry.versions == tuple(versions[-2:])
    assert world.studio.without_boxes(project) == []


def test_within_the_grace_nothing_goes(world) -> None:
    project, service, versions = switched(world, 2, grace_seconds=60.0)
    assert set(world.studio.projects.model_versions(project)) == set(versions)
    again_in = service.reconcile(project).requeue_after
    assert again_in is not None and 55 < again_in <= 60


def test_what_a_rollback_left_behind_is_the_one_before(world) -> None:
    project, service, versions = switched(world, 2, grace_seconds=60.0)
    world.store.pin(str(project), world.store.history(str(project))[0].id)
    until_in_step(service, project)
    assert world.studio.projects.get(project).model_version == versions[1]
    entry = world.projects.get(project)
    assert entry is not None and entry.versions == (versions[0], versions[2], versions[1])


def test_others_predictions_are_never_touched(world) -> None:
    project = world.project(3)
    for task in world.ids(project):
        world.studio.predictions.import_many(project, [{"task": task, "result": [], "score": 0.0, "model_version": "theirs-1"}])
    service = world.service(grace_seconds=0.0)
    for names in ({}, {"jason": RED}, {"lacy": RED}, {"lacy": GREEN}):
        if names:
            world.store.publish(str(project), bundle(names))
        until_in_step(service, project)
    assert world.studio.projects.model_versions(project)["theirs-1"] == 3
    assert len(world.studio.projects.model_versions(project)) == 3


def show_in_turn(world, project: int, service, *heads: dict) -> None:
    for names in heads:
        world.store.publish(str(project), bundle(names))
        until_in_step(service, project)


@pytest.mark.parametrize("by_button", [True, False])
def test_what_an_annotation_came_from_stays_and_nothing_else_of_its_version(world, by_button: bool) -> None:
    """Deleting a prediction makes Label Studio forget that an annotation came from it, and with it what was rejected."""
    project = world.project(4)
    service = world.service(grace_seconds=0.0)
    service.reconcile(project)
    first = world.studio.projects.get(project).model_version
    for task in world.ids(project):
        world.studio.predictions.import_many(project, [{"task": task, "result": [], "score": 0.0, "model_version": "theirs-1"}])
    done, skipped, *_ = world.ids(project)
    world.studio.annotate(done, ["thing"], **({"by_button": True} if by_button else {"began_from": first}))
    if by_button:  # it takes the newest there is, which is another's here
        world.studio.tasks.get(done)["annotations"][0]["parent_prediction"] = world.studio.tasks.get(done)["predictions"][0]["id"]
    world.studio.annotate(skipped, [], cancelled=True)
    show_in_turn(world, project, service, {"jason": RED}, {"lacy": RED}, {"lacy": GREEN})
    counts = world.studio.projects.model_versions(project)
    assert counts[first] == 1 and first in world.studio.versions_of(done)
    assert world.studio.tasks.get(done)["annotations"][0]["parent_prediction"] is not None
    assert counts["theirs-1"] == 4 and sorted(counts.values()) == [1, 3, 3, 4]
    assert world.studio.without_boxes(project) == []
    looks = world.studio.calls.count("task")
    service.reconcile(project)
    assert world.studio.calls.count("task") == looks, "what was looked at is not looked at again"


def test_where_somebody_drafts_nothing_goes(world) -> None:
    project = world.project(2)
    service = world.service(grace_seconds=0.0)
    service.reconcile(project)
    first = world.studio.projects.get(project).model_version
    done, drafting = world.ids(project)
    world.studio.annotate(done, ["thing"], began_from=first)
    world.studio.begin(drafting)
    show_in_turn(world, project, service, {"jason": RED}, {"lacy": RED}, {"lacy": GREEN})
    assert first in world.studio.versions_of(drafting)


def test_it_goes_on_another_time_when_there_is_much(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinolabel.backend.reconciler.garbage_collector.SECONDS", 0.0)
    project = world.project(4)
    service = world.service(grace_seconds=0.0)
    service.reconcile(project)
    first = world.studio.projects.get(project).model_version
    world.studio.annotate(world.ids(project)[0], ["thing"], began_from=first)
    world.store.publish(str(project), bundle({"jason": RED}))
    until_in_step(service, project)
    world.store.publish(str(project), bundle({"lacy": RED}))
    outcome = service.reconcile(project)
    assert outcome.complete and outcome.requeue_after is not None and world.studio.projects.model_versions(project)[first] > 1
    for _ in range(6):
        outcome = service.reconcile(project)
    assert outcome.requeue_after is None and world.studio.projects.model_versions(project)[first] == 1


def test_a_large_version_goes_in_visits_that_end_and_not_in_one_request(world, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request for all of it would stop every save for as long as it takes."""
    for name in ("WHOLE", "IDLE_WHOLE"):
        monkeypatch.setattr(f"dinolabel.backend.reconciler.garbage_collector.{name}", 3)
    project = world.project(4)
    service = world.service(grace_seconds=0.0)
    service.reconcile(project)
    first = world.studio.projects.get(project).model_version
    show_in_turn(world, project, service, {"jason": RED}, {"lacy": RED})
    until_in_step(service, project)
    assert first not in world.studio.projects.model_versions(project)
    assert "delete version" not in world.studio.calls and world.studio.calls.count("delete prediction") == 4
    service.reconcile(project)
    entry = world.projects.get(project)
    assert entry is not None and first not in entry.versions
