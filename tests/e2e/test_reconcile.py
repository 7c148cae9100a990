"""The loop on a real Label Studio: filling, switching under the eyes of a watcher, events, being asked, training, sweeping, outages."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dinolabel.backend.http.server import Server, create_app, serve
from dinolabel.backend.service import Service
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.vision.types import Box, Detection
from tests import studio_calls, waiting
from tests.doubles.coloured_things import GREEN, RED, bundle, scene
from tests.doubles.scripted_studio import CONFIG
from tests.e2e.loop import WEIGHTS, Watcher, service, without_boxes
from tests.waiting import until_in_step

pytestmark = pytest.mark.e2e

SECRET = "a secret for tests"
TITLE = "dinolabel"


eventually = partial(waiting.eventually, seconds=60.0, every=0.1)


@dataclass
class Loop:
    """A project of scenes on the real server, and services on one disk."""

    studio: LabelStudio
    token: str
    folder: Path
    project: int
    tasks: list[int] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def service(self, **options: Any) -> Service:
        made = service(self.folder, self.studio, **options)
        if made.projects.get(self.project) is None:
            made.projects.add(self.project, weights=WEIGHTS, title="T")
        self.services.append(made)
        return made

    def add(self, count: int) -> list[int]:
        photos = self.folder / "photos"
        photos.mkdir(parents=True, exist_ok=True)
        begin = len(list(photos.iterdir()))
        new = self.studio.tasks.upload_images(self.project, [scene(photos, begin + each) for each in range(count)])
        self.tasks += new
        return new

    def serve(self, made: Service) -> Server:
        server = serve(create_app(made, secret=SECRET), "127.0.0.1", 0, secret=SECRET)
        threading.Thread(target=server.run, daemon=True).start()
        self.servers.append(server)
        return server

    def shown(self) -> str:
        return self.studio.projects.get(self.project).model_version

    def publish(self, **names: tuple[int, int, int]) -> str:
        return self.services[-1].store.publish(str(self.project), bundle(names, trained_until=""))

    def submit(self, task: int, labels: list[str]) -> None:
        """What a person would: our boxes, with names."""
        prediction = next(each for each in self.studio.predictions.list(task) if each["model_version"] == self.shown())
        result = [{**each, "origin": "prediction-changed"} for each in prediction["result"]]
        for region, label in zip(result, labels, strict=True):
            region["value"] = {**region["value"], "rectanglelabels": [label]}
        self.studio.annotations.create(task, result, lead_time=3.0, parent_prediction=prediction["id"])


@pytest.fixture
def loop(studio: LabelStudio, studio_server: Any, project_of: Callable[[str], int], tmp_path: Path) -> Iterator[Loop]:
    made = Loop(studio, studio_server.token, tmp_path, project_of(CONFIG))
    made.add(6)
    yield made
    for server in made.servers:
        server.close()
    for each in made.services:
        each.stop()


def stored(loop: Loop) -> dict[str, int]:
    """Label Studio lists a backend's title too, with none."""
    return {version: count for version, count in loop.studio.projects.model_versions(loop.project).items() if count}


def test_boxes_come_and_names_follow_with_never_a_task_without_boxes(loop: Loop) -> None:
    made = loop.service()
    until_in_step(made, loop.project)
    before = loop.shown()
    opened = studio_calls.next_task(loop.studio, loop.project)
    assert opened is not None
    assert [each["value"]["rectanglelabels"] for each in opened["predictions"][0]["result"]] == [["thing"], ["thing"]]
    loop.publish(jason=RED, lacy=GREEN)
    with Watcher(loop.studio, loop.project) as watcher:
        until_in_step(made, loop.project)
    assert (watcher.bare, watcher.shown) == ([], [before, loop.shown()])
    opened = studio_calls.next_task(loop.studio, loop.project)
    assert opened is not None
    assert [each["value"]["rectanglelabels"] for each in opened["predictions"][0]["result"]] == [["jason"], ["lacy"]]
    assert stored(loop) == {before: 6, loop.shown(): 6}


def test_finished_tasks_and_others_predictions_are_left_alone(loop: Loop) -> None:
    config = LabelConfig.parse(CONFIG)
    theirs = to_result([Detection(Box(1, 1, 9, 9), "coloured thing", 0.5)], config, width=96, height=96, task=1, version="theirs-1")
    loop.studio.predictions.import_many(loop.project, [to_prediction(each, theirs, "theirs-1") for each in loop.tasks])
    loop.studio.projects.set_model_version(loop.project, "theirs-1")
    loop.studio.annotations.create(loop.tasks[0], [], lead_time=2.0)
    made = loop.service()
    until_in_step(made, loop.project)
    assert loop.shown() == "theirs-1"
    assert "theirs-1" in made.board.get(loop.project).note
    counts = loop.studio.projects.model_versions(loop.project)
    assert counts.pop("theirs-1") == 6
    assert list(counts.values()) == [5]


def test_what_a_second_person_will_get_has_boxes_too(loop: Loop) -> None:
    loop.studio.api.json("PATCH", f"/api/projects/{loop.project}/", json={"maximum_annotations": 2})
    once, twice = loop.tasks[:2]
    for task in (once, twice, twice):
        loop.studio.annotations.create(task, [], lead_time=1.0)
    until_in_step(loop.service(), loop.project)
    assert {each.id: len(each.versions) for each in loop.studio.tasks.list(loop.project)} == {**dict.fromkeys(loop.tasks, 1), twice: 0}


def test_polling_alone_does_the_whole_loop(loop: Loop) -> None:
    """No ML backend, no webhook: a URL and a token."""
    code = (
        "import sys\n"
        "if 'train' in sys.argv:\n"
        "    from pathlib import Path\n"
        "    from tests.doubles.coloured_things import bundle, RED, GREEN\n"
        "    from dinolabel.vision.bundles.registry import BundleStore\n"
        f"    BundleStore(Path({str(loop.folder / 'bundles')!r})).publish('{loop.project}',"
        " bundle({'jason': RED, 'lacy': GREEN}, trained_until='2999-01-01T00:00:00+00:00'))\n"
        "print('Trained.')"
    )
    made = loop.service(program=[sys.executable, "-c", code], poll_seconds=1.0, train_after=4)
    made.start()
    eventually(lambda: loop.shown() and not without_boxes(loop.studio, loop.project))
    before = loop.shown()
    with Watcher(loop.studio, loop.project) as watcher:
        for task in loop.tasks[:2]:
            loop.submit(task, ["jason", "lacy"])
        eventually(lambda: loop.shown() != before)
        eventually(lambda: made.board.get(loop.project).state == "synced")
    assert watcher.bare == []
    assert [(each.why, each.state) for each in made.jobs.all()] == [("4 new approved names", "done")]


def test_connected_it_is_asked_and_told(loop: Loop) -> None:
    made = loop.service(poll_seconds=600)
    server = loop.serve(made)
    backend = loop.studio.backends.create(loop.project, server.url, TITLE, interactive=True, username="dinolabel", password=SECRET)
    loop.studio.webhooks.set(loop.project, f"{server.url}/webhook", {"X-Dinolabel-Secret": SECRET})
    assert (backend.state, loop.shown()) == ("CO", TITLE)

    # Live: opening a task asks /setup and /predict, and stores what it is given under the version of both.
    opened = studio_calls.next_task(loop.studio, loop.project)
    assert opened is not None
    version = opened["predictions"][0]["model_version"]
    assert len(opened["predictions"][0]["result"]) == 2
    again = studio_calls.next_task(loop.studio, loop.project)
    assert again is not None and len(loop.studio.predictions.list(again["id"])) == 1, "the same version is not stored twice"

    # Retrieve predictions: all in one request; nothing that is there already is stored again.
    studio_calls.retrieve_predictions(loop.studio, loop.project)
    assert stored(loop) == {version: 6}

    # What we are told of: a new task is filled though nothing is polled, and the version becomes the one on show.
    made.start()
    eventually(lambda: loop.shown() == version)
    loop.add(1)
    eventually(lambda: not without_boxes(loop.studio, loop.project))
    assert stored(loop) == {version: 7}

    reply = loop.studio.api.json(
        "POST", f"/api/ml/{backend.id}/interactive-annotating", json={"task": loop.tasks[0], "context": {"result": []}}
    )
    assert len(reply["data"]["result"]) == 2
    assert loop.studio.api.json("GET", f"/api/ml/{backend.id}/versions") == {"versions": [version]}

    loop.studio.backends.start_training(backend.id)
    assert [each.why for each in made.jobs.all()] == ["Start training in Label Studio"]


def test_saving_an_annotation_is_not_held_up(loop: Loop) -> None:
    def saving(task: int) -> float:
        begun = time.monotonic()
        loop.studio.annotations.create(task, [], lead_time=1.0)
        return time.monotonic() - begun

    made = loop.service(poll_seconds=600, seconds=0.5)
    server = loop.serve(made)
    alone = saving(loop.tasks[-1])
    loop.studio.webhooks.set(loop.project, f"{server.url}/webhook", {"X-Dinolabel-Secret": SECRET})
    made.start()
    time.sleep(0.5)
    assert saving(loop.tasks[-2]) < alone + 0.7, "Label Studio waits for the webhook for a second, then cuts it off"


def test_older_versions_go_but_not_what_annotations_came_from(loop: Loop) -> None:
    made = loop.service(grace_seconds=0.0)
    until_in_step(made, loop.project)
    versions = [loop.shown()]
    loop.submit(loop.tasks[0], ["jason", "lacy"])
    for names in ({"jason": RED, "lacy": GREEN}, {"jason": GREEN, "lacy": RED}, {"jason": RED}):
        loop.publish(**names)
        until_in_step(made, loop.project)
        versions.append(loop.shown())
    assert set(stored(loop)) == {versions[0], *versions[2:]}
    assert without_boxes(loop.studio, loop.project) == []
    (task,) = loop.studio.projects.export(loop.project)
    assert task["annotations"][0]["parent_prediction"] is not None
    assert task["annotations"][0]["prediction"]["model_version"] == versions[0]


def test_what_a_button_approved_does_not_turn_into_a_persons_work(loop: Loop) -> None:
    made = loop.service(grace_seconds=0.0)
    until_in_step(made, loop.project)
    first = loop.shown()
    body = {"selectedItems": {"all": False, "included": [loop.tasks[0]]}, "model_version": first}
    params = {"id": "predictions_to_annotations", "project": loop.project}
    loop.studio.api.json("POST", "/api/dm/actions", params=params, json={"project": loop.project, **body})
    for names in ({"jason": RED, "lacy": GREEN}, {"jason": GREEN, "lacy": RED}):
        loop.publish(**names)
        until_in_step(made, loop.project)
    assert first in loop.studio.projects.model_versions(loop.project)
    (task,) = loop.studio.projects.export(loop.project)
    assert task["annotations"][0]["parent_prediction"] is not None


def test_a_rollback_goes_back_at_once(loop: Loop) -> None:
    made = loop.service()
    until_in_step(made, loop.project)
    one = loop.publish(jason=RED, lacy=GREEN)
    until_in_step(made, loop.project)
    old = loop.shown()
    loop.publish(jason=GREEN, lacy=RED)
    until_in_step(made, loop.project)
    assert loop.shown() != old
    made.store.pin(str(loop.project), one)
    with Watcher(loop.studio, loop.project) as watcher:
        until_in_step(made, loop.project)
    assert (loop.shown(), watcher.bare) == (old, [])


def test_a_deleted_project_is_told_and_the_others_go_on(loop: Loop, project_of: Callable[[str], int]) -> None:
    made = loop.service(poll_seconds=1.0)
    gone = loop.studio.projects.create("to be deleted", CONFIG).id
    made.projects.add(gone, weights=WEIGHTS)
    studio_calls.delete_project(loop.studio, gone)
    made.start()
    eventually(lambda: made.board.get(gone).state == "not_found")
    eventually(lambda: loop.shown() and not without_boxes(loop.studio, loop.project))


def test_no_log_line_has_a_secret_in_it(loop: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logs:
        made = loop.service(poll_seconds=600)
        server = loop.serve(made)
        backend = loop.studio.backends.create(loop.project, server.url, TITLE, username="dinolabel", password=SECRET)
        loop.studio.webhooks.set(loop.project, f"{server.url}/webhook", {"X-Dinolabel-Secret": SECRET})
        made.start()
        eventually(lambda: "pushed" in {each["event"] for each in logs})  # before Label Studio asks for all of it itself
        studio_calls.retrieve_predictions(loop.studio, loop.project)
        loop.studio.backends.start_training(backend.id)
        eventually(lambda: made.jobs.all() and not made.jobs.all()[0].active)
        awaited = {"pushed", "switched", "job_queued", "job_started", "job_ended"}
        eventually(lambda: awaited <= {each["event"] for each in logs})  # the line comes after the deed, so wait for the line
        assert without_boxes(loop.studio, loop.project) == []
    said = "\n".join(map(str, logs)) + "".join(capfd.readouterr())
    assert all({"project"} & set(each) for each in logs if each["event"] in ("pushed", "switched", "job_queued", "job_ended"))
    for secret in (SECRET, loop.token, loop.studio.api.authorization()):
        assert secret not in said
    kept = [path for path in loop.folder.rglob("*") if path.is_file()]
    assert [each for each in kept if loop.token.encode() in each.read_bytes() or SECRET.encode() in each.read_bytes()] == []
