"""Going round: at start, when woken, by polling; through outages, one project's trouble apart from the others'."""

from __future__ import annotations

import time

from structlog.testing import capture_logs

from dinolabel.studio.errors import StudioBusy
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.waiting import eventually


def in_step(world, project: int) -> bool:
    return bool(world.studio.projects.get(project).model_version) and not world.studio.without_boxes(project)


def test_it_begins_at_start(world) -> None:
    one, two = world.project(2), world.project(2)
    world.service(poll_seconds=60).start()
    eventually(lambda: in_step(world, one) and in_step(world, two))


def test_it_polls(world) -> None:
    project = world.project(1)
    world.service(poll_seconds=0.1).start()
    eventually(lambda: in_step(world, project))
    world.add(project, 2)
    eventually(lambda: not world.studio.without_boxes(project))


def test_a_wake_makes_it_sooner(world) -> None:
    project = world.project(1)
    service = world.service(poll_seconds=600)
    service.start()
    eventually(lambda: in_step(world, project))
    world.add(project, 1)
    begun = time.monotonic()
    service.wake(project)
    eventually(lambda: not world.studio.without_boxes(project))
    assert time.monotonic() - begun < 3


def test_what_another_process_wants_is_noticed_without_a_word(world) -> None:
    """`heads pin`, `attach` and a training typed by hand only write files."""
    project = world.project(2)
    service = world.service(poll_seconds=600)
    service.start()
    eventually(lambda: in_step(world, project))
    before = world.studio.projects.get(project).model_version
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    eventually(lambda: world.studio.projects.get(project).model_version != before)
    late = world.project(1)
    eventually(lambda: in_step(world, late))


def test_an_outage_is_waited_out_and_told_once(world) -> None:
    project = world.project(1)
    service = world.service(poll_seconds=0.05)
    with capture_logs() as logs:
        service.start()
        eventually(lambda: in_step(world, project))
        world.studio.down = True
        eventually(lambda: service.board.get(project).state == "unreachable")
        seen = len(world.studio.calls)
        eventually(lambda: len(world.studio.calls) > seen + 5)
        world.studio.down = False
        world.add(project, 1)
        eventually(lambda: not world.studio.without_boxes(project))
        eventually(lambda: service.board.get(project).state == "synced")
    told = [each["event"] for each in logs if each["event"].startswith("studio_")]
    assert told == ["studio_down", "studio_up"]


def test_pauses_grow_while_nobody_answers(world) -> None:
    world.project(1)
    world.studio.down = True
    service = world.service(poll_seconds=30)
    waits = [service._rounds.run_once() for _ in range(1)]
    for _ in range(4):
        service.wake()
        waits.append(service._rounds.run_once())
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_one_projects_trouble_is_not_the_others(world) -> None:
    broken, gone, fine = world.project(1, label_config="<View/>"), world.project(1), world.project(1)
    world.studio.remove_project(gone)
    service = world.service()
    service.start()
    eventually(lambda: in_step(world, fine))
    eventually(lambda: service.board.get(broken).state == "failed" and service.board.get(gone).state == "not_found")
    assert "RectangleLabels" in service.board.get(broken).note


def test_a_bug_in_one_visit_is_not_the_end(world) -> None:
    buggy, fine = world.project(1), world.project(1)
    plain = world.studio.tasks_list

    def tasks(project: int, **only: object):
        if project == buggy:
            raise ZeroDivisionError
        return plain(project, **only)

    world.studio.tasks_list = tasks
    service = world.service()
    service.start()
    eventually(lambda: in_step(world, fine))
    assert service.board.get(buggy).state == "failed"
    assert "log" in service.board.get(buggy).hint
    world.studio.tasks_list = plain
    eventually(lambda: in_step(world, buggy))


def test_detaching_ends_it(world) -> None:
    project = world.project(1)
    service = world.service()
    service.start()
    eventually(lambda: in_step(world, project))
    world.projects.remove(project)
    eventually(lambda: service.board.all() == [])
    world.add(project, 1)
    calls = len(world.studio.calls)
    time.sleep(0.6)
    assert world.studio.calls[calls:] == []


def test_a_broken_registry_is_told_and_survived(world) -> None:
    project = world.project(1)
    service = world.service()
    text = world.projects.path.read_text()
    world.projects.path.write_text("{")
    service.start()
    time.sleep(0.5)
    world.projects.path.write_text(text)
    eventually(lambda: in_step(world, project))


def test_stopping_is_quick_in_the_middle_of_work(world) -> None:
    world.detector.seconds = 0.1
    project = world.project(40)
    service = world.service()
    service.start()
    eventually(lambda: world.detector.passes > 0)
    begun = time.monotonic()
    service.stop()
    assert time.monotonic() - begun < 3
    assert world.studio.without_boxes(project)


def test_who_asks_to_be_left_alone_is_left_alone_whatever_happens_meanwhile(world) -> None:
    project = world.project(1)
    service = world.service(poll_seconds=60)
    rounds, now = service._rounds, [1000.0]
    rounds._clock = lambda: now[0]
    plain, asked = service._reconciler.reconcile, []

    def reconcile(number: int, **_: object):
        asked.append(now[0])
        if now[0] < 1100:
            raise StudioBusy("Label Studio asks for fewer requests (429).", seconds=120)
        return plain(number)

    service._reconciler.reconcile = reconcile
    assert rounds.run_once() == 120
    now[0] += 50
    service.wake(project)
    assert (rounds.run_once(), asked) == (70, [1000.0])
    assert service.board.get(project).state == "unreachable"
    now[0] += 70
    rounds.run_once()
    assert (asked, in_step(world, project)) == ([1000.0, 1120.0], True)
