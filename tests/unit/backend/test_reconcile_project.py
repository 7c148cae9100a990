"""One visit: what it refuses, what it survives, and what it says about it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from dinolabel.backend.payloads import SetupRequest
from dinolabel.studio.errors import StudioUnreachable
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.errors import LabelConfigError
from tests.doubles.coloured_things import GREEN, RED, bundle
from tests.doubles.scripted_studio import CONFIG
from tests.waiting import until_in_step

ROOT = Path(__file__).resolve().parents[3]
ROOMS = {"dinolabel", "backend"}


def test_running_it_again_does_nothing(world) -> None:
    project = world.project(4)
    service = world.service()
    service.reconcile(project)
    files = {path: path.stat().st_mtime_ns for path in (world.root / "data").rglob("*") if path.is_file()}
    calls = len(world.studio.calls)
    assert (service.reconcile(project).pushed, "import" in world.studio.calls[calls:], "patch" in world.studio.calls[calls:]) == (
        0,
        False,
        False,
    )
    now = {path: path.stat().st_mtime_ns for path in (world.root / "data").rglob("*") if path.is_file()}
    assert {path.name for path in now if now[path] != files.get(path)} <= {f"{project}.lock", f"{project}.next"}


def test_it_notes_what_labels_look_like_in_label_studio(world) -> None:
    project = world.project(1)
    world.service().reconcile(project)
    entry = world.projects.get(project)
    assert entry.colours == LabelConfig.parse(world.studio.projects.get(project).label_config).colours
    assert set(entry.colours) == {"thing", "jason", "lacy"}
    noted = world.projects.path.stat().st_mtime_ns
    world.projects.note_colours(project, entry.colours)
    assert world.projects.path.stat().st_mtime_ns == noted, "what is known is not written again"


def test_an_unattached_project_is_not_touched(world) -> None:
    project = world.project(2, attach=False)
    outcome = world.service().reconcile(project)
    assert (outcome.state, world.studio.calls) == ("not_found", [])
    assert "attach" in outcome.hint


def test_a_paused_project_is_not_touched(world) -> None:
    project = world.project(2)
    world.projects.update(project, paused=True)
    assert (world.service().reconcile(project).state, world.studio.calls) == ("paused", [])


def test_other_weights_are_refused_and_said(world) -> None:
    project = world.project(2)
    world.projects.add(project, weights=("IDEA-Research/grounding-dino-tiny", "facebook/dinov2-small"))
    service = world.service()
    with pytest.raises(Exception, match=r"grounding-dino-tiny and facebook/dinov2-small, but nano and nano are running") as caught:
        service.reconcile(project)
    assert "attach" in caught.value.hint
    assert world.studio.calls == []


def test_other_weights_are_refused_when_asked_too(world) -> None:
    project = world.project(2)
    world.projects.add(project, weights=("tiny", "small"))
    with pytest.raises(Exception, match="nano and nano are running"):
        world.service().setup(SetupRequest(project, CONFIG))


def test_a_deleted_project_is_said_and_not_raised(world) -> None:
    project = world.project(2)
    world.studio.remove_project(project)
    service = world.service()
    assert (service.reconcile(project).state, "dinolabel detach" in service.board.get(project).hint) == ("not_found", True)


def test_a_label_config_of_another_kind_is_an_error_with_a_hint(world) -> None:
    project = world.project(2, label_config="<View><Text name='t' value='$text'/></View>")
    with pytest.raises(LabelConfigError):
        world.service().reconcile(project)


def test_label_studio_away_is_raised_for_the_rounds_to_wait(world) -> None:
    project = world.project(2)
    world.studio.down = True
    with pytest.raises(StudioUnreachable):
        world.service().reconcile(project)


def test_another_process_at_work_is_waited_for(world) -> None:
    project = world.project(2)
    with world.projects.write_lock(project):
        outcome = world.service().reconcile(project)
    assert (outcome.state, outcome.requeue_after, world.studio.calls) == ("pending", 5.0, [])
    assert world.service().reconcile(project).complete


def test_without_a_token_only_what_is_answered_moves(world) -> None:
    project = world.project(2)
    service = world.service(studio=None)
    before = service.setup(SetupRequest(project, CONFIG))
    bundle_id = world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    outcome = service.reconcile(project)
    assert (outcome.state, world.store.current(str(project)), world.studio.calls) == ("synced", bundle_id, [])
    assert service.setup(SetupRequest(project, CONFIG)) != before


def test_with_a_token_what_is_answered_moves_with_the_switch_and_not_before(world) -> None:
    project = world.project(2)
    service = world.service()
    service.reconcile(project)
    before = service.setup(SetupRequest(project, CONFIG))
    world.store.publish(str(project), bundle({"jason": RED, "lacy": GREEN}))
    assert service.setup(SetupRequest(project, CONFIG)) == before == world.studio.projects.get(project).model_version
    service.reconcile(project)
    assert service.setup(SetupRequest(project, CONFIG)) == world.studio.projects.get(project).model_version != before


def test_progress_is_on_the_board_while_it_works(world) -> None:
    project = world.project(6)
    service = world.service()
    seen = []
    world.detector.looking = lambda: seen.append(service.board.get(project))
    service.reconcile(project)
    assert [each.done for each in seen] == [0, 4]
    assert (seen[1].state, seen[1].total, seen[1].eta_seconds is not None) == ("backfilling", 6, True)
    done = service.board.get(project)
    assert (done.state, done.done, done.total, done.eta_seconds) == ("synced", 6, 6, None)


def test_a_visit_ends_in_time_and_the_next_goes_on(world) -> None:
    world.detector.seconds = 0.05
    project = world.project(12)
    service = world.service()
    first = service.reconcile(project, seconds=0.05)
    assert (first.state, first.requeue_after) == ("backfilling", 0.0)
    assert 0 < first.pushed < 12
    until_in_step(service, project, visit=0.05)
    assert all(len(world.studio.versions_of(each)) == 1 for each in world.ids(project))
    assert world.detector.passes == 12


def test_skipped_tasks_get_boxes_too_but_last(world) -> None:
    project = world.project(5)
    skipped = world.ids(project)[0]
    world.studio.annotate(skipped, ["jason"], cancelled=True)
    service = world.service()
    order = []
    plain = world.studio.predictions.import_many
    world.studio.predictions.import_many = lambda project, sent: order.extend(each["task"] for each in sent) or plain(project, sent)
    service.reconcile(project)
    assert order[-1] == skipped
    assert len(order) == 5


def test_every_visit_gets_somewhere_however_slow_the_disk(world) -> None:
    project = world.project(9)
    service = world.service()
    plain = world.media.resolve

    def slowly(url: str, *, task: int | None = None):
        time.sleep(0.02)
        return plain(url, task=task)

    world.media.resolve = slowly
    assert [service.reconcile(project, seconds=0.001).pushed for _ in range(3)] == [4, 4, 1]


def test_predictions_that_are_switched_off_are_said(world) -> None:
    project = world.project(2)
    world.studio.set(project, show_predictions=False)
    outcome = world.service().reconcile(project)
    assert (outcome.state, "not to show" in outcome.note, "prelabel" in outcome.hint) == ("synced", True, True)


def files_entered(call: Callable[[], object]) -> list[str]:
    """Files of the product in which a function is called, in any thread that begins meanwhile."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    here = {Path(each).resolve() for each in entered if Path(each).is_absolute()}
    return sorted(
        each.relative_to(ROOT).as_posix() for each in here if each.is_relative_to(ROOT) and each.relative_to(ROOT).parts[0] in ROOMS
    )


def test_who_reads_a_visit_opens_few_files(world) -> None:
    """Without Label Studio's client. A visit that fills a task goes on into media, decoding, models and caches."""
    project, service = world.project(1), world.service()
    filling, nothing_to_do = (files_entered(lambda: service.reconcile(project)) for _ in range(2))
    assert "backend/reconciler/reconciler.py" in nothing_to_do and "backend/inference/inference_queue.py" in filling
    assert len(nothing_to_do) <= 30 and len(filling) <= 48, filling
    assert len([each for each in filling if each.startswith("backend/")]) <= 23, filling
