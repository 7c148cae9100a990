"""Old predictions go, after a grace; those on show, those before them, others', and those a button was pressed on stay."""

from __future__ import annotations

import pytest

from tests.doubles.coloured_things import GREEN, RED, bundle


def switched(world, heads: int, **options):
    """A project that has shown the detector's version and then that many heads; the versions in that order."""
    project = world.project(3)
    service = world.service(**options)
    versions = []
    for number in range(heads + 1):
        if number:
            names = {"jason": RED, "lacy": GREEN} if number % 2 else {"jason": GREEN, "lacy": RED}
            world.store.publish(str(project), bundle({**names, **({"odd": (10, 10, 10 * number)} if number > 2 else {})}))
        while not service.reconcile(project).complete:
            pass
        versions.append(world.studio.project(project).model_version)
    return project, service, versions


def test_all_but_the_last_two_go(world) -> None:
    project, _, versions = switched(world, 3, grace_seconds=0.0)
    assert len(set(versions)) == 4
    assert set(world.studio.model_versions(project)) == set(versions[-2:])
    entry = world.projects.get(project)
    assert entry is not None and entry.versions == tuple(versions[-2:])
    assert world.studio.without_boxes(project) == []


def test_within_the_grace_nothing_goes(world) -> None:
    project, service, versions = switched(world, 2, grace_seconds=60.0)
    assert set(world.studio.model_versions(project)) == set(versions)
    again_in = service.reconcile(project).again_in
    assert again_in is not None and 55 < again_in <= 60


def test_what_a_rollback_left_behind_is_the_one_before(world) -> None:
    project, service, versions = switched(world, 2, grace_seconds=60.0)
    world.store.pin(str(project), world.store.history(str(project))[0].id)
    while not service.reconcile(project).complete:
        pass
    assert world.studio.project(project).model_version == versions[1]
    entry = world.projects.get(project)
    assert entry is not None and entry.versions == (versions[0], versions[2], versions[1])


def test_others_predictions_are_never_touched(world) -> None:
    project = world.project(3)
    for task in world.ids(project):
        world.studio.import_predictions(project, [{"task": task, "result": [], "score": 0.0, "model_version": "theirs-1"}])
    service = world.service(grace_seconds=0.0)
    for names in ({}, {"jason": RED}, {"lacy": RED}, {"lacy": GREEN}):
        if names:
            world.store.publish(str(project), bundle(names))
        while not service.reconcile(project).complete:
            pass
    assert world.studio.model_versions(project)["theirs-1"] == 3
    assert len(world.studio.model_versions(project)) == 3


@pytest.mark.parametrize("by_button", [True, False])
def test_what_an_annotation_came_from_stays(world, by_button: bool) -> None:
    """Deleting a prediction makes Label Studio forget that an annotation came from it, and with it what was rejected."""
    project = world.project(3)
    service = world.service(grace_seconds=0.0)
    service.reconcile(project)
    first = world.studio.project(project).model_version
    world.studio.annotate(world.ids(project)[0], ["thing"], by_button=by_button)
    for names in ({"jason": RED}, {"lacy": RED}, {"lacy": GREEN}):
        world.store.publish(str(project), bundle(names))
        while not service.reconcile(project).complete:
            pass
    assert first in world.studio.model_versions(project)
    assert len(world.studio.model_versions(project)) == 3
