"""Filling: what is sent was judged first, a config that changes meanwhile starts it anew, and what cannot be had holds nothing up."""

from __future__ import annotations

import pytest

from dinolabel.backend.reconciler import backfill
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG

RENAMED = CONFIG.replace('value="thing"', 'value="object"')


def test_a_label_renamed_under_way_is_made_anew_for_the_new_config(world) -> None:
    project = world.project(4)
    service = world.service()
    world.studio.before_import.append(lambda: world.studio.set(project, label_config=RENAMED))
    first = service.reconcile(project)
    assert (first.state, first.requeue_after) == ("backfilling", 0.0)
    assert service.reconcile(project).complete
    shown = world.studio.projects.get(project).model_version
    assert [world.studio.labels_of(each, shown) for each in world.ids(project)] == [["object", "object"]] * 4
    assert service.board.get(project).failed == 0, "nothing was wrong with the tasks"


def test_a_label_renamed_later_moves_everybody_to_the_new_name(world) -> None:
    project = world.project(3)
    service = world.service()
    service.reconcile(project)
    before = world.studio.projects.get(project).model_version
    world.studio.set(project, label_config=RENAMED)
    assert service.reconcile(project).complete
    after = world.studio.projects.get(project).model_version
    assert after != before
    assert [world.studio.labels_of(each, after) for each in world.ids(project)] == [["object", "object"]] * 3
    assert world.detector.passes == 3, "another name for the same prompt costs no pass"


def test_what_label_studio_would_drop_is_never_sent(world, monkeypatch: pytest.MonkeyPatch) -> None:
    project = world.project(3)
    bad = world.ids(project)[1]
    plain = backfill.validate_prediction
    monkeypatch.setattr(
        backfill, "validate_prediction", lambda config, sent: ["no such label"] if sent["task"] == bad else plain(config, sent)
    )
    sent = []
    taken = world.studio.predictions.import_many
    world.studio.predictions.import_many = lambda number, each: sent.extend(one["task"] for one in each) or taken(number, each)
    service = world.service()
    outcome = service.reconcile(project)
    assert bad not in sent and len(sent) == 2
    assert f"task {bad}: Label Studio would not store it: no such label" in outcome.note


def test_a_file_that_is_no_picture_does_not_hold_a_switch(world) -> None:
    project = world.project(3)
    service = world.service()
    assert service.reconcile(project).complete
    before = world.studio.projects.get(project).model_version
    (world.photos / "scene001.png").write_bytes(b"no picture any more")
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    outcome = service.reconcile(project)
    if not outcome.complete:
        outcome = service.reconcile(project)
    assert outcome.complete and world.studio.projects.get(project).model_version != before
    assert "1 of 3 tasks cannot be done" in outcome.note


def test_a_picture_that_never_came_does_not_hold_one_either(world) -> None:
    project = world.project(3)
    world.studio.add_tasks(project, ["/data/nowhere.png"])
    service = world.service()
    assert service.reconcile(project).complete
    assert world.studio.projects.get(project).model_version


def test_open_tasks_come_before_those_somebody_has_submitted(world) -> None:
    project = world.project(3)
    first, second, third = world.ids(project)
    world.studio.ask_for(first, 2)
    world.studio.annotate(first, ["jason"])
    world.studio.annotate(second, [], cancelled=True)
    order = []
    plain = world.studio.predictions.import_many
    world.studio.predictions.import_many = lambda project, sent: order.extend(each["task"] for each in sent) or plain(project, sent)
    assert world.service().reconcile(project).complete
    assert order == [third, first, second]


def test_a_push_that_fails_is_raised_and_leaves_no_thread(world) -> None:
    project = world.project(3)
    service = world.service()
    world.studio.before_import.append(lambda: setattr(world.studio, "down", True))
    plain = world.studio.predictions.import_many

    def importing(number, sent):
        plain(number, sent)
        world.studio.projects.get(number)

    world.studio.predictions.import_many = importing
    with pytest.raises(Exception, match="does not answer"):
        service.reconcile(project)
    world.studio.down, world.studio.predictions.import_many = False, plain
    assert service.reconcile(project).complete
    assert [len(world.studio.versions_of(each)) for each in world.ids(project)] == [1, 1, 1]


def test_while_nobody_else_changes_anything_one_listing_is_enough(world) -> None:
    """A listing costs Label Studio as much as storing the predictions does."""
    project = world.project(9)
    service = world.service()
    assert service.reconcile(project).complete
    assert (world.studio.calls.count("tasks"), world.studio.calls.count("tasks of a chunk")) == (1, 0)
    assert service.reconcile(project).pushed == 0


def test_an_old_listing_is_made_anew_whatever_the_counts_say(world, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between them a task went and another came, which no count tells."""
    monkeypatch.setattr("dinolabel.backend.reconciler.backfill.FRESH_SECONDS", 0.0)
    project = world.project(9)
    assert world.service().reconcile(project).complete
    assert (world.studio.calls.count("tasks"), world.studio.calls.count("tasks of a chunk")) == (2, 1)


def test_a_task_that_comes_while_others_are_stored_is_found_by_the_count(world) -> None:
    project = world.project(3)
    world.studio.before_import.append(lambda: world.add(project, 1))
    service = world.service()
    first = service.reconcile(project)
    assert (first.state, first.requeue_after) == ("backfilling", 0.0)
    assert service.reconcile(project).complete
    assert world.studio.without_boxes(project) == []
