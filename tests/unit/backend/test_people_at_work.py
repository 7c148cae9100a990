"""While somebody is at work predictions leave so that no save waits for them; while nobody is, in as few requests as may be."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from dinolabel.backend.project_status import IDLE_SECONDS, PeopleAtWork
from dinolabel.backend.reconciler import uploader
from dinolabel.backend.reconciler.uploader import HOLD_SECONDS, SINGLES, UploadPace
from dinolabel.studio.calls.tasks import TaskRow
from tests.doubles.scripted_studio import CONFIG
from tests.waiting import until_in_step


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(clock: Clock) -> PeopleAtWork:
    return PeopleAtWork(clock)


@pytest.fixture
def pace(clock: Clock, people: PeopleAtWork) -> UploadPace:
    return UploadPace(people, 1, clock=clock, sleep=clock.sleep)


def row(number: int, *, updated: datetime | None = None, **about: bool) -> TaskRow:
    facts = {"annotated": False, "cancelled": False, "finished": False, **about}
    return TaskRow(number, {}, frozenset(), updated_at=updated.isoformat() if updated else "", **facts)


def test_with_nobody_at_work_all_leave_at_once(pace: UploadPace) -> None:
    assert (pace.part(700, 20_000).count, pace.part(700, 20_000).singly) == (700, False)


@pytest.mark.parametrize(("boxed", "singly"), [(0, False), (500, False), (1_000, True), (5_000, True), (20_000, True)])
def test_with_somebody_at_work_no_request_holds_a_save_for_long(pace: UploadPace, people: PeopleAtWork, boxed: int, singly: bool) -> None:
    people.note(1)
    part = pace.part(1_000, boxed)
    assert part.singly is singly and 0 < part.count < 1_000 and part.seconds <= HOLD_SECONDS


def test_one_prediction_leaves_alone(pace: UploadPace, people: PeopleAtWork) -> None:
    people.note(1)
    assert pace.part(1, 300).singly


def test_a_slower_machine_is_noticed(pace: UploadPace, people: PeopleAtWork, clock: Clock) -> None:
    people.note(1)
    part = pace.part(1_000, 300)
    assert not part.singly
    with pace.turn(part.seconds):
        clock.seconds += 4 * part.seconds
    assert pace.part(1_000, 300).singly


def test_a_push_of_four_seconds_takes_a_tenth_of_the_time(pace: UploadPace, people: PeopleAtWork, clock: Clock) -> None:
    begun, pushes = clock.seconds, 0
    while clock.seconds - begun < 100:
        people.note(1)
        with pace.turn():
            clock.seconds += 4
        pushes += 1
    assert pushes == 3


def test_the_rest_ends_when_they_have_gone(pace: UploadPace, people: PeopleAtWork, clock: Clock) -> None:
    people.note(1, clock.seconds - IDLE_SECONDS + 7)
    begun = clock.seconds
    with pace.turn():
        clock.seconds += 4
    assert clock.seconds - begun < 8


def test_who_is_at_work(people: PeopleAtWork, clock: Clock) -> None:
    now = datetime.fromtimestamp(clock.seconds, UTC)
    long_ago = datetime(1970, 1, 2, tzinfo=UTC)
    assert not people.are_at_work(1)
    people.note_rows(1, [row(1, updated=now), row(2, updated=long_ago, annotated=True)], lambda _: [])
    assert not people.are_at_work(1), "a task that nobody answered was touched by us"
    people.note_rows(1, [row(2, updated=now, annotated=True)], lambda _: [])
    assert people.are_at_work(1) and not people.are_at_work(2)
    clock.seconds += IDLE_SECONDS
    assert not people.are_at_work(1)
    people.note_count(1, 4)
    assert not people.are_at_work(1), "the first count says nothing"
    people.note_count(1, 5)
    assert people.are_at_work(1)


def test_drafts_are_asked_for_their_time_once(people: PeopleAtWork, clock: Clock) -> None:
    asked: list[int] = []
    at = {7: clock.seconds - 10_000, 8: clock.seconds - 10}

    def drafts(task: int) -> list[dict[str, str]]:
        asked.append(task)
        return [{"updated_at": datetime.fromtimestamp(at[task], UTC).isoformat()}]

    people.note_rows(1, [row(7, drafted=True)], drafts)
    assert asked == [7] and not people.are_at_work(1)
    people.note_rows(1, [row(7, drafted=True)], drafts)
    assert asked == [7] and not people.are_at_work(1)
    people.note_rows(1, [row(7, drafted=True), row(8, drafted=True)], drafts)
    assert people.are_at_work(1), "a draft that was not there before"
    people.note_rows(2, [row(8, drafted=True)], drafts)
    assert people.are_at_work(2) and asked == [7, 8]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rests, and as if each task that has boxes cost an import 0.3 s."""
    monkeypatch.setattr(uploader, "REST", 0.0)
    monkeypatch.setattr(uploader, "BOXED_SECONDS", 0.3)
    monkeypatch.setattr(uploader, "STORED_SECONDS", 0.001)
    monkeypatch.setattr(UploadPace, "turn", lambda self, expected=None: nullcontext())


@pytest.mark.usefixtures("hurried")
def test_within_one_push_it_changes_to_single_ones_and_back(world, monkeypatch: pytest.MonkeyPatch) -> None:
    project, service = world.project(30), world.service()
    service._people.note(project)
    plain, calls = world.studio.predictions_create, []

    def creating(prediction):
        calls.append(prediction["task"])
        if len(calls) == SINGLES:
            service._people._last.clear()  # everybody goes home
        return plain(prediction)

    world.studio.predictions_create = creating
    importing = world.studio.predictions_import_many
    sizes: list[int] = []
    world.studio.predictions_import_many = lambda number, sent: sizes.append(len(sent)) or importing(number, sent)
    monkeypatch.setattr(uploader, "STORED_SECONDS", 0.09)  # ten at once at most, of a bare project
    monkeypatch.setattr(uploader, "SINGLE_SECONDS", 1.0)
    until_in_step(service, project)
    assert sizes == [10, 10] and len(calls) == SINGLES
    shown = world.studio.projects.get(project).model_version
    assert world.studio.projects.model_versions(project) == {shown: 30}


@pytest.mark.usefixtures("hurried")
def test_single_ones_are_judged_by_the_label_config_of_now(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader, "REQUEST_SECONDS", 2.0)  # so that none leaves by an import
    project, service = world.project(3), world.service()
    service._people.note(project)
    renamed = CONFIG.replace('value="thing"', 'value="object"')
    plain = world.studio.projects_get

    def changing(number):
        if world.detector.passes:
            world.studio.set(number, label_config=renamed)
        return plain(number)

    world.studio.projects_get = changing
    assert service.reconcile(project).state == "backfilling"
    assert "create prediction" not in world.studio.calls
    until_in_step(service, project)
    shown = world.studio.projects.get(project).model_version
    assert [world.studio.labels_of(each, shown) for each in world.ids(project)] == [["object", "object"]] * 3
    assert "import" not in world.studio.calls and world.studio.calls.count("create prediction") == 3


@pytest.mark.usefixtures("hurried")
def test_a_task_that_goes_meanwhile_costs_the_others_nothing(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader, "REQUEST_SECONDS", 2.0)
    project, service = world.project(3), world.service()
    service._people.note(project)
    gone = world.ids(project)[1]
    plain = world.studio.predictions_create

    def creating(prediction):
        if gone in world.ids(project):
            world.studio.remove_task(gone)
        return plain(prediction)

    world.studio.predictions_create = creating
    until_in_step(service, project)
    assert service.board.get(project).failed == 0 and len(world.ids(project)) == 2
    assert world.studio.without_boxes(project) == []
