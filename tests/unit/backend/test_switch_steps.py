"""The switch, step by step: filled before shown, resumed after an end at any step, and never a moment without boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dinolabel.backend.reconciler.reconciler import ReconcileResult
from dinolabel.backend.reconciler.rollout import RolloutEvent, StepDone
from dinolabel.backend.service import Service
from tests import waiting
from tests.doubles.coloured_things import BLUE, GREEN, RED, bundle, picture
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio

STEPS = ["wanted", "noted", "pushed", "filled", "shown", "current"]


class Killed(BaseException):
    """Not an Exception: nothing in between may catch it, as nothing catches kill -9."""


def killer(step: str) -> Callable[[RolloutEvent], None]:
    def listener(event: RolloutEvent) -> None:
        if event == StepDone(step):
            raise Killed(step)

    return listener


def until_in_step(service: Service, project: int) -> ReconcileResult:
    return waiting.until_in_step(service, project, visits=20)


def right_after_the_listing(studio: ScriptedStudio, change: Callable[[], object]) -> None:
    """Somebody changes something, once, when a project's tasks were just listed."""
    plain, changes = studio.tasks_list, [change]

    def tasks(project: int, *, only: object = None) -> object:
        rows = plain(project, only=only)  # type: ignore[arg-type]
        if only is None and changes:
            changes.pop()()
        return rows

    studio.tasks_list = tasks  # type: ignore[method-assign, assignment]


def watch(studio: ScriptedStudio, project: int) -> list[list[int]]:
    """What had no boxes after each change in Label Studio."""
    bare: list[list[int]] = []
    studio.watchers.append(lambda: bare.append(studio.without_boxes(project)))
    return bare


def test_first_boxes_are_shown_as_they_come_in(world) -> None:
    project = world.project(6)
    shown = []
    world.studio.watchers.append(
        lambda: shown.append((world.studio.projects.get(project).model_version, len(world.studio.without_boxes(project))))
    )
    outcome = until_in_step(world.service(), project)
    version = world.studio.projects.get(project).model_version
    assert outcome.pushed == 6
    assert version and all(world.studio.versions_of(each) == [version] for each in world.ids(project))
    assert shown[-1] == (version, 0)


def test_an_empty_project_is_left_as_it_is_until_a_task_comes(world) -> None:
    project = world.project(0)
    service = world.service()
    assert until_in_step(service, project).pushed == 0
    assert world.studio.projects.get(project).model_version == ""
    world.add(project, 1)
    assert until_in_step(service, project).pushed == 1
    assert world.studio.without_boxes(project) == []


def test_everybody_has_the_new_version_before_it_is_shown(world) -> None:
    project = world.project(5)
    service = world.service()
    until_in_step(service, project)
    before = world.studio.projects.get(project).model_version
    bundle_id = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    bare = watch(world.studio, project)
    until_in_step(service, project)
    after = world.studio.projects.get(project).model_version
    assert before != after
    assert bare and not any(bare)
    assert world.studio.calls.count("patch") == 2
    assert [world.studio.labels_of(each, after) for each in world.ids(project)] == [["jason", "lacy"]] * 5
    assert world.store.current(str(project)) == bundle_id


@pytest.mark.parametrize("step", STEPS)
def test_an_end_at_any_step_is_made_up_for_by_the_next_start(world, step: str) -> None:
    project = world.project(5)
    until_in_step(world.service(), project)
    bundle_id = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    bare = watch(world.studio, project)
    with pytest.raises(Killed):
        world.service(listener=killer(step)).reconcile(project)
    until_in_step(world.service(), project)
    after = world.studio.projects.get(project).model_version
    assert [sorted(world.studio.versions_of(each)).count(after) for each in world.ids(project)] == [1] * 5
    assert not any(bare)
    assert world.store.current(str(project)) == bundle_id
    entry = world.projects.get(project)
    assert entry is not None and entry.versions[-1] == after and len(entry.versions) == 2


@pytest.mark.parametrize("step", STEPS)
def test_so_is_an_end_during_the_very_first_filling(world, step: str) -> None:
    project = world.project(5)
    with pytest.raises(Killed):
        world.service(listener=killer(step)).reconcile(project)
    until_in_step(world.service(), project)
    after = world.studio.projects.get(project).model_version
    assert [world.studio.versions_of(each) for each in world.ids(project)] == [[after]] * 5


def test_who_arrives_during_a_switch_gets_both_versions(world) -> None:
    project = world.project(3)
    service = world.service()
    until_in_step(service, project)
    before = world.studio.projects.get(project).model_version
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    new: list[int] = []
    world.studio.before_import.append(lambda: new.extend(world.add(project, 1)))
    seen: list[list[str]] = []
    world.studio.watchers.append(lambda: seen.extend(world.studio.versions_of(each) for each in new))
    until_in_step(service, project)
    after = world.studio.projects.get(project).model_version
    assert world.studio.versions_of(new[0]) == [before, after]
    assert world.studio.labels_of(new[0], before) == ["thing", "thing"]
    assert world.studio.labels_of(new[0], after) == ["jason", "lacy"]


def test_what_was_stored_meanwhile_is_not_stored_twice(world) -> None:
    project = world.project(3)
    service = world.service()
    version = service.setup(_setup(project))
    task = world.ids(project)[1]

    def asked_label_studio_to_retrieve_it() -> None:
        world.studio.predictions.import_many(project, [{"task": task, "result": [], "score": 0.0, "model_version": version}])

    right_after_the_listing(world.studio, asked_label_studio_to_retrieve_it)
    until_in_step(service, project)
    assert [world.studio.versions_of(each) for each in world.ids(project)] == [[version]] * 3


def test_finished_tasks_are_left_alone_also_when_finished_meanwhile(world) -> None:
    project = world.project(4)
    first, second, *_ = world.ids(project)
    world.studio.annotate(first, ["jason"])
    right_after_the_listing(world.studio, lambda: world.studio.annotate(second, ["lacy"]))
    until_in_step(world.service(), project)
    assert [world.studio.versions_of(each) for each in (first, second)] == [[], []]
    assert world.studio.without_boxes(project) == []


def test_a_task_that_a_second_person_will_get_is_not_finished(world) -> None:
    project = world.project(2)
    first, second = world.ids(project)
    world.studio.ask_for(first, 2)
    for task in (first, second):
        world.studio.annotate(task, ["jason"])
    until_in_step(world.service(), project)
    assert [len(world.studio.versions_of(each)) for each in (first, second)] == [1, 0]
    world.studio.annotate(first, ["jason"])
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    until_in_step(world.service(), project)
    assert len(world.studio.versions_of(first)) == 1


def test_a_task_deleted_meanwhile_does_not_matter(world) -> None:
    project = world.project(3)
    gone = world.ids(project)[0]
    world.studio.before_import.append(lambda: world.studio.remove_task(gone))
    until_in_step(world.service(), project)
    assert world.studio.without_boxes(project) == []


@pytest.mark.parametrize(
    ("shown", "taken_over"),
    [("", True), ("dinolabel", True), ("somebody-elses-1", False), ("things.00000000", False)],
)
def test_only_nothing_our_title_and_our_own_versions_are_replaced(world, shown: str, taken_over: bool) -> None:
    project = world.project(2, model_version=shown)
    outcome = until_in_step(world.service(), project)
    now = world.studio.projects.get(project).model_version
    assert (now != shown) is taken_over
    assert ("not ours" in outcome.note) is not taken_over
    assert world.studio.without_boxes(project) == ([] if taken_over else world.ids(project))
    assert all(len(world.studio.versions_of(each)) == 1 for each in world.ids(project))


def test_a_choice_somebody_makes_during_the_filling_is_respected(world) -> None:
    project = world.project(3)
    service = world.service()
    until_in_step(service, project)
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    world.studio.before_import.append(lambda: world.studio.set(project, model_version="somebody-elses-1"))
    outcome = until_in_step(service, project)
    assert world.studio.projects.get(project).model_version == "somebody-elses-1"
    assert "somebody-elses-1" in outcome.note


def test_a_rollback_is_a_pin_and_costs_no_import_when_the_predictions_are_still_there(world) -> None:
    project = world.project(3)
    service = world.service()
    first = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    until_in_step(service, project)
    old = world.studio.projects.get(project).model_version
    world.store.publish(str(project), bundle({"jason": GREEN, "lacy": RED}))
    until_in_step(service, project)
    world.store.pin(str(project), first)
    bare, imports = watch(world.studio, project), world.studio.calls.count("import")
    until_in_step(service, project)
    assert world.studio.projects.get(project).model_version == old
    assert world.studio.calls.count("import") == imports
    assert (world.store.current(str(project)), any(bare)) == (first, False)


def test_a_new_label_config_is_a_switch_of_its_own(world) -> None:
    picture(world.photos / "b.png", (BLUE, (5, 5, 40, 40)))
    project = world.project(2)
    service = world.service()
    until_in_step(service, project)
    before = world.studio.projects.get(project).model_version
    world.studio.set(project, label_config=CONFIG.replace("coloured thing", "small coloured thing"))
    bare = watch(world.studio, project)
    until_in_step(service, project)
    assert world.studio.projects.get(project).model_version != before
    assert not any(bare)


def test_a_name_nobody_trained_yet_changes_nothing(world) -> None:
    project = world.project(2)
    service = world.service()
    until_in_step(service, project)
    world.studio.set(project, label_config=CONFIG.replace('<Label value="lacy"/>', '<Label value="lacy"/><Label value="maria"/>'))
    assert until_in_step(service, project).pushed == 0


def test_a_broken_picture_holds_a_switch_for_a_while_and_not_for_ever(world, monkeypatch: pytest.MonkeyPatch) -> None:
    import dinolabel.backend.reconciler.work_queue

    monkeypatch.setattr(dinolabel.backend.reconciler.work_queue, "FIRST_PAUSE", 0.0)
    project = world.project(3)
    service = world.service()
    until_in_step(service, project)
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    before = world.studio.projects.get(project).model_version
    (Path(world.photos) / "scene001.png").unlink()
    states = []
    for _ in range(4):
        outcome = service.reconcile(project)
        states.append((outcome.state, world.studio.projects.get(project).model_version == before))
    assert states[0] == ("backfilling", True)
    assert states[-1] == ("synced", False)
    assert "1 of 3 tasks cannot be done" in outcome.note


def test_what_label_studio_drops_is_noted_and_the_others_go_on(world) -> None:
    project = world.project(3)

    def renamed() -> None:
        world.studio.set(project, label_config=CONFIG.replace('value="thing"', 'value="object"'))

    world.studio.before_import.append(renamed)
    until_in_step(world.service(), project)
    after = world.studio.projects.get(project).model_version
    assert [world.studio.labels_of(each, after) for each in world.ids(project)] == [["object", "object"]] * 3


def _setup(project: int):
    from dinolabel.backend.payloads import SetupRequest

    return SetupRequest(project, CONFIG)
