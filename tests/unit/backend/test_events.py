"""Webhooks: noted in milliseconds; our own writes' echo is no work; Start training is."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dinolabel.backend.errors import ProjectUnknown
from dinolabel.backend.payloads import EventProject, SetupRequest, WebhookEvent, parse
from tests.doubles.coloured_things import RED, bundle
from tests.doubles.scripted_studio import CONFIG
from tests.waiting import eventually, until_in_step

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@pytest.mark.parametrize(
    ("action", "work"),
    [
        ("TASKS_CREATED", True), ("TASKS_DELETED", True), ("ANNOTATION_CREATED", True), ("ANNOTATION_UPDATED", True),
        ("ANNOTATIONS_CREATED", True), ("ANNOTATIONS_DELETED", True), ("PREDICTION_CREATED", False), ("PREDICTIONS_CREATED", False),
        ("PREDICTIONS_DELETED", False), ("LABEL_LINK_CREATED", False), ("PROJECT_CREATED", False), ("SOMETHING_NEW", False),
    ],
)  # fmt: skip
def test_which_events_are_work(world, action: str, work: bool) -> None:
    project = world.project(1)
    assert world.service().event(WebhookEvent(action, project)) is work


def test_events_of_projects_we_do_not_look_after_are_none(world) -> None:
    project = world.project(1, attach=False)
    service = world.service()
    assert not service.event(WebhookEvent("TASKS_CREATED", project))
    assert not service.event(WebhookEvent("TASKS_CREATED", None))


def test_our_own_patch_comes_back_and_is_no_work(world) -> None:
    project = world.project(1)
    service = world.service()
    service.reconcile(project)
    assert not service.event(WebhookEvent("PROJECT_UPDATED", EventProject(project, CONFIG)))
    assert service.event(WebhookEvent("PROJECT_UPDATED", EventProject(project, CONFIG.replace("coloured", "colourful"))))


def test_an_event_brings_boxes_sooner(world) -> None:
    project = world.project(1)
    service = world.service(poll_seconds=600)
    service.start()
    eventually(lambda: not world.studio.without_boxes(project))
    world.add(project, 1)
    begun = time.monotonic()
    assert service.event(WebhookEvent("TASKS_CREATED", project))
    assert time.monotonic() - begun < 0.05
    eventually(lambda: not world.studio.without_boxes(project))


def test_start_training_enqueues_once(world) -> None:
    project = world.project(1)
    service = world.service()
    for _ in range(3):
        assert service.event(WebhookEvent("START_TRAINING", project))
    assert [(each.project, each.state, each.why) for each in service.jobs.all()] == [(project, "queued", "Start training in Label Studio")]


@pytest.mark.parametrize("days", [-2, 2])
def test_no_clock_of_ours_hides_approvals_from_the_next_training(world, monkeypatch, days: int) -> None:
    """Pressed while this machine's clock is ahead, or Label Studio's is: the two are never compared."""
    project = world.project(8)
    service = world.service(train_after=50)
    at = datetime.now(UTC) - timedelta(days=days)
    world.studio.annotate(world.ids(project)[0], ["jason"], at=at)
    until_in_step(service, project)
    service.jobs.start()
    job = service.train(project, why="asked")
    eventually(lambda: not service.jobs.get(job).active)
    for task in world.ids(project)[1:4]:
        world.studio.annotate(task, ["jason", "lacy"], at=at + timedelta(minutes=1))
    service.reconcile(project)
    assert service.board.get(project).approvals == 6


def test_a_training_is_for_projects_that_are_attached(world) -> None:
    service = world.service()
    assert not service.event(WebhookEvent("START_TRAINING", EventProject(999_999)))
    with pytest.raises(ProjectUnknown, match="999999 is not attached"):
        service.train(999_999, why="asked")
    assert service.jobs.all() == []


@pytest.mark.parametrize("before", ["asked for its boxes", "has a head"])
def test_a_training_is_for_projects_that_are_answered_live_too(world, before: str) -> None:
    """Connected in Label Studio by hand, and never attached: its button works."""
    project = world.project(1, attach=False)
    service = world.service()
    if before == "has a head":
        world.store.publish(str(project), bundle({"jason": RED}))
    else:
        service.setup(SetupRequest(project, CONFIG))
    assert not service.event(WebhookEvent("ANNOTATION_CREATED", EventProject(project)))
    assert service.event(WebhookEvent("START_TRAINING", EventProject(project)))
    assert [each.project for each in service.jobs.all()] == [project]
    assert service.train(project, why="asked") == service.jobs.all()[0].id


def test_enough_names_start_a_training_and_its_end_starts_the_switch(world) -> None:
    project = world.project(4)
    code = (
        "import sys\n"
        "if 'train' in sys.argv:\n"
        "    from pathlib import Path\n"
        "    from tests.doubles.coloured_things import bundle, RED, GREEN\n"
        "    from dinolabel.vision.bundles.registry import BundleStore\n"
        f"    BundleStore(Path({str(world.root / 'data' / 'bundles')!r})).publish('{project}', bundle({{'jason': RED, 'lacy': GREEN}},"
        " trained_until='2026-11-22T23:00:00+00:00'))\n"
        "print('Trained.')"
    )
    world.program = [world.program[0], "-c", code]
    service = world.service(poll_seconds=0.2, train_after=3)
    service.start()
    eventually(lambda: not world.studio.without_boxes(project))
    before = world.studio.projects.get(project).model_version
    world.studio.annotate(world.ids(project)[0], ["jason", "lacy", "jason"])
    eventually(lambda: world.studio.projects.get(project).model_version != before)
    eventually(lambda: not service.jobs.all()[0].active)
    (job,) = service.jobs.all()
    assert (job.state, job.why) == ("done", "3 new approved names")
    after = world.studio.projects.get(project).model_version
    assert [world.studio.labels_of(each, after) for each in world.ids(project)[1:]] == [["jason", "lacy"]] * 3
    time.sleep(0.6)
    assert len(service.jobs.all()) == 1, "what it has seen does not start another"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("webhook_*.json")), ids=lambda each: each.stem)
def test_every_recorded_event_of_a_project_of_ours_is_work(world, path: Path) -> None:
    event = parse(WebhookEvent, json.loads(path.read_text()))
    assert event.project is not None
    assert world.service().event(replace(event, about=EventProject(world.project(1))))
