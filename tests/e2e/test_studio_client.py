"""Every call of the client against a real Label Studio, and what the measured facts of the dialogue promise."""

from __future__ import annotations

import base64
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.projects import hotkeys
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioDenied, StudioRefused, StudioUnreachable
from dinolabel.studio.label_configs.label_config import LabelConfig, add_name, build
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.studio.regions.writing import to_prediction, to_result
from dinolabel.studio.reviews.decisions import review_task
from dinolabel.studio.server.process import LocalStudio
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import MediaRefused, MediaUnavailable
from dinolabel.vision.types import Box, Detection, Named
from tests import studio_calls

pytestmark = pytest.mark.e2e

XML = build({"human face": "face"}, ["jason", "lacy"])
CONFIG = LabelConfig.parse(XML)
ROOT = Path(__file__).parents[2]
Make = Callable[[str], int]


def photo(path: Path, *, width: int = 200, height: int = 100, orientation: int | None = None) -> Path:
    image = PIL.Image.linear_gradient("L").resize((width, height)).convert("RGB")
    exif = PIL.Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)
    return path


def prediction(task: int, version: str, *, label: str | None = None) -> dict[str, Any]:
    seen = [
        Detection(Box(10, 10, 60.25, 60), "human face", 0.8, Named("jason", 0.9)),
        Detection(Box(100, 10, 150, 60.75), "human face", 0.5),
    ]
    result = to_result(seen, CONFIG, width=200, height=100, task=task, version=version)
    if label is not None:
        result[0]["value"]["rectanglelabels"] = [label]
    return to_prediction(task, result, version)


def test_who_and_what_it_is(studio: LabelStudio, studio_server: Any) -> None:
    assert studio.users.whoami()["email"] == studio_server.username
    assert studio.version() == "1.23.2"


def test_a_label_config_is_kept_as_written_and_grows_by_a_name(studio: LabelStudio, project_of: Make) -> None:
    hard = build({"human face": "face"}, ["<b> & 'c'", 'quote "x"', "🦊", "comma, name", "x" * 300])
    project = project_of(hard)
    assert studio.projects.get(project).label_config == hard
    grown = add_name(hard, "maria")
    assert studio.projects.set_label_config(project, grown).label_config == grown
    assert LabelConfig.parse(grown).learnt[-1] == "maria"
    assert project in {each.id for each in studio.projects.list()}


def test_the_whole_way_of_a_prediction(studio: LabelStudio, project_of: Make, tmp_path: Path) -> None:
    project = project_of(XML)
    tasks = studio.tasks.upload_images(project, [photo(tmp_path / f"p {at}.png") for at in range(3)])
    assert [each.id for each in studio.tasks.list(project)] == tasks
    assert studio.predictions.import_many(project, [prediction(each, "v1") for each in tasks]) == 3
    assert studio.projects.model_versions(project) == {"v1": 3}
    shown = studio_calls.next_task(studio, project)
    assert shown is not None and shown["predictions"] == []  # nothing is shown before a version is
    studio.projects.set_model_version(project, "v1")
    shown = studio_calls.next_task(studio, project)
    assert shown is not None and [each["model_version"] for each in shown["predictions"]] == ["v1"]
    (stored,) = studio.predictions.list(shown["id"])
    regions = [each | {"origin": "prediction"} for each in stored["result"]]
    studio.annotations.create(shown["id"], regions[:1], lead_time=3.5, parent_prediction=stored["id"])
    for found in (studio.projects.export(project)[0], studio.tasks.get(shown["id"])):
        judged = review_task(found, CONFIG).boxes
        assert [(each.verdict, each.label, each.box.xyxy) for each in judged] == [
            ("approved", "jason", (10, 10, 60.25, 60)),
            ("rejected", "face", (100, 10, 150, 60.75)),
        ]
        assert (judged[0].predicted, judged[0].model_version) == (Box(10, 10, 60.25, 60), "v1")
    rows = {each.id: each for each in studio.tasks.list(project)}
    assert (rows[tasks[0]].annotated, rows[tasks[1]].annotated) == (True, False)
    assert rows[tasks[0]].versions == {"v1"}


def test_a_skipped_task_is_neither_done_nor_judged(studio: LabelStudio, project_of: Make) -> None:
    project = project_of(XML)
    (task,) = studio_calls.import_tasks(studio, project, [{"image": "x"}])
    studio.annotations.create(task, prediction(task, "v1")["result"], lead_time=1.0, was_cancelled=True)
    (row,) = studio.tasks.list(project)
    assert (row.annotated, row.cancelled) == (False, True)
    found = review_task(studio.projects.export(project)[0], CONFIG)
    assert (found.boxes, found.skipped) == ((), 1)


def test_what_is_dropped_is_named_and_what_is_gone_is_passed_over(studio: LabelStudio, project_of: Make) -> None:
    project = project_of(XML)
    tasks = studio_calls.import_tasks(studio, project, [{"image": "x", "n": at} for at in range(6)])
    studio.tasks.delete(tasks[1])
    batch = [prediction(each, "v1", label="NOPE" if each == tasks[4] else None) for each in tasks]
    with pytest.raises(StudioRefused) as caught:
        studio.predictions.import_many(project, batch)
    assert caught.value.tasks == (tasks[4],)
    assert {each.id for each in studio.tasks.list(project) if "v1" in each.versions} == {tasks[0], tasks[2], tasks[3], tasks[5]}
    assert [each.id for each in studio.tasks.list(project, only=[tasks[0], tasks[1], tasks[2]])] == [tasks[0], tasks[2]]


def test_versions_come_and_go(studio: LabelStudio, project_of: Make) -> None:
    project = project_of(XML)
    tasks = studio_calls.import_tasks(studio, project, [{"image": "x"}] * 2)
    for version in ("v1", "v2"):
        studio.predictions.import_many(project, [prediction(each, version) for each in tasks])
    studio.projects.set_model_version(project, "v1")
    with pytest.raises(StudioRefused, match="doesn't exist"):
        studio.projects.set_model_version(project, "never")
    assert studio.projects.delete_version(project, "v2") == 2
    assert studio.projects.get(project).model_version == "v1"
    assert studio.projects.delete_version(project, "v1") == 2
    assert studio.projects.get(project).model_version == ""
    studio.predictions.import_many(project, [prediction(tasks[0], "v3")] * 2)
    one, two = studio.predictions.list(tasks[0])
    studio.predictions.delete(two["id"])
    assert [each["id"] for each in studio.predictions.list(tasks[0])] == [one["id"]]


def test_exports_may_name_their_tasks(studio: LabelStudio, project_of: Make) -> None:
    project = project_of(XML)
    tasks = studio_calls.import_tasks(studio, project, [{"image": "x"}] * 3)
    for each in tasks:
        studio.annotations.create(each, [], lead_time=1.0)
    assert [each["id"] for each in studio.projects.export(project, tasks=tasks[1:])] == tasks[1:]
    assert studio.projects.export(project, tasks=[]) == []
    assert len(studio.projects.export(project)) == 3


def test_more_tasks_than_one_page(studio: LabelStudio, project_of: Make) -> None:
    project = project_of(XML)
    tasks = studio_calls.import_tasks(studio, project, [{"image": "x", "n": at} for at in range(1001)])
    assert [each.id for each in studio.tasks.list(project)] == tasks
    assert studio.predictions.import_many(project, [prediction(each, "v1") for each in tasks]) == 1001
    assert all(each.versions == {"v1"} for each in studio.tasks.list(project))


# media


def test_uploaded_and_local_files_come_back_as_they_were(studio: LabelStudio, studio_server: Any, project_of: Make, tmp_path: Path) -> None:
    project = project_of(XML)
    folder = studio_server.documents / f"photos {project}"
    original = photo(folder / "ä & b.jpg", orientation=6)
    (task,) = studio.tasks.upload_images(project, [photo(tmp_path / "up.png")])
    storage = studio.local_storages.create(project, folder)
    assert studio.local_storages.sync(storage) == 1
    assert studio.local_storages.sync(storage) == 0
    media = MediaResolver(studio, cache_dir=tmp_path / "cache")
    uploaded, local = (each.data["image"] for each in studio.tasks.list(project))
    assert media.resolve(uploaded).read_bytes() == (tmp_path / "up.png").read_bytes()
    found = media.resolve(local)
    assert found.read_bytes() == original.read_bytes()
    assert (open_image(found).width, open_image(found).height) == (100, 200)
    assert media.resolve(f"http://labels.example:8080{local}") == found
    assert MediaResolver(None, cache_dir=tmp_path / "none", local_root=studio_server.documents).resolve(local) == original
    with pytest.raises(MediaUnavailable):
        media.resolve(f"/data/upload/{project}/gone.png")
    with pytest.raises(MediaUnavailable):
        media.resolve("s3://nobody/knows.png", task=task)
    with pytest.raises(MediaRefused):
        media.resolve("/data/local-files/?d=../secret.png")


def test_the_document_root_itself_is_refused_as_a_storage(studio: LabelStudio, studio_server: Any, project_of: Make) -> None:
    with pytest.raises(StudioRefused):
        studio.local_storages.create(project_of(XML), studio_server.documents)


# tokens and other things of a whole Label Studio, in one that no other test uses


def copied(data: Path, folder: Path) -> Path:
    """A data folder after its first boot, which takes long, copied while its server runs."""
    folder.mkdir()
    for name in (".env", "token", "password"):
        shutil.copy2(data / name, folder / name)
    name = "label_studio.sqlite3"
    with closing(sqlite3.connect(data / name)) as source, closing(sqlite3.connect(folder / name)) as target:
        source.backup(target)
    return folder


@pytest.fixture(scope="module")
def alone(studio_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStudio]:
    with LocalStudio(copied(studio_server.data, tmp_path_factory.mktemp("alone") / "data")) as server:
        yield server


@pytest.fixture
def legacy(alone: LocalStudio) -> LabelStudio:
    return LabelStudio(alone.url, alone.token)


@pytest.fixture
def personal(legacy: LabelStudio) -> Iterator[str]:
    token = legacy.api.json("POST", "/api/token/", json={})["token"]
    yield token
    with suppress(StudioRefused):  # withdrawn by the test
        legacy.api.json("POST", "/api/token/blacklist/", json={"refresh": token})


def test_a_personal_token_does_what_a_legacy_one_does(personal: str, alone: LocalStudio, tmp_path: Path) -> None:
    studio = LabelStudio(alone.url, personal)
    assert studio.users.whoami()["email"] == alone.username
    project = studio.projects.create("personal", XML).id
    studio.tasks.upload_images(project, [photo(tmp_path / "a.png")])
    (row,) = studio.tasks.list(project)
    assert open_image(MediaResolver(studio, cache_dir=tmp_path / "cache").resolve(row.data["image"])).width == 200


def test_a_withdrawn_personal_token_is_named(legacy: LabelStudio, personal: str) -> None:
    legacy.api.json("POST", "/api/token/blacklist/", json={"refresh": personal})
    with pytest.raises(StudioDenied, match="personal token"):
        LabelStudio(legacy.url, personal).users.whoami()


def test_an_organization_that_switched_legacy_tokens_off_is_named(legacy: LabelStudio, personal: str) -> None:
    settings = {"legacy_api_tokens_enabled": False, "api_tokens_enabled": True}
    legacy.api.json("POST", "/api/jwt/settings", json=settings)
    try:
        with pytest.raises(StudioDenied, match="does not accept legacy tokens any more"):
            legacy.users.whoami()
        assert LabelStudio(legacy.url, personal).users.whoami()["id"]
    finally:
        LabelStudio(legacy.url, personal).api.json("POST", "/api/jwt/settings", json=settings | {"legacy_api_tokens_enabled": True})
    assert legacy.users.whoami()["id"]


def test_a_wrong_token_is_named(studio_server: Any) -> None:
    with pytest.raises(StudioDenied, match="legacy token"):
        LabelStudio(studio_server.url, "f" * 40).users.whoami()


def test_logging_in_gives_cookies_and_a_wrong_password_does_not(studio: LabelStudio, studio_server: Any) -> None:
    cookies = studio.session_cookies(studio_server.username, studio_server.password)
    assert {"sessionid", "csrftoken"} <= set(cookies)
    with pytest.raises(StudioDenied, match="login"):
        studio.session_cookies(studio_server.username, "wrong")


def test_a_persons_keys_are_set_and_put_back_and_nobody_elses(studio: LabelStudio, studio_server: Any, tmp_path: Path) -> None:
    me = studio.users.whoami()["id"]
    studio.api.json("POST", "/api/users/", json={"email": "jo@example.org", "username": "jo", "first_name": "Jo", "last_name": "Li"})
    people = {each.id: each for each in studio.users.list()}
    jo = next(each for each in people.values() if each.email == "jo@example.org")
    theirs = {"regions:region:cycle": {"key": "tab", "active": True}, "regions:region:lock": {"key": "alt+j", "active": True}}
    studio.users.set_hotkeys(jo.id, theirs)
    hotkeys.give(studio, jo, hotkeys.OURS, tmp_path)
    assert hotkeys.keys_in_use(studio.users.hotkeys(jo.id)) == {hotkeys.NEXT: "n", hotkeys.SUBMIT: "space"}
    assert studio.users.hotkeys(jo.id)["regions:region:lock"] == theirs["regions:region:lock"]
    assert hotkeys.keys_in_use(studio.users.hotkeys(me)) == hotkeys.USUAL
    hotkeys.take_back(studio, jo, tmp_path)
    assert studio.users.hotkeys(jo.id) == theirs


# backends and webhooks


class _Backend(BaseHTTPRequestHandler):
    asked: list[tuple[str, bytes, str | None]]

    def do_GET(self) -> None:
        self._answer(b'{"status": "UP"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.path, body, self.headers.get("X-Secret") or self.headers.get("Authorization")))
        self._answer(b'{"model_version": "stub-1", "results": []}' if self.path != "/webhook" else b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[tuple[str, list[tuple[str, bytes, str | None]]]]:
    handler = type("Handler", (_Backend,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.asked
    server.shutdown()
    server.server_close()


def test_a_backend_is_connected_asked_trained_and_removed(studio: LabelStudio, project_of: Make, backend: Any) -> None:
    url, asked = backend
    project = project_of(XML)
    made = studio.backends.create(project, url, "dinolabel", username="dinolabel", password="secret")
    assert (made.title, made.url) == ("dinolabel", url)
    (listed,) = studio.backends.list(project)
    assert (listed.id, listed.state, listed.model_version) == (made.id, "CO", "stub-1")
    assert studio.projects.get(project).model_version == "dinolabel"
    assert [each.url for each in studio.webhooks.list(project)] == [url + "/webhook"]
    hook = studio.webhooks.set(project, url + "/webhook", {"X-Secret": "s3"})
    assert [each.headers for each in studio.webhooks.list(project)] == [{"X-Secret": "s3"}]
    asked.clear()
    studio_calls.import_tasks(studio, project, [{"image": "x"}])
    assert [(path, secret) for path, _, secret in asked] == [("/webhook", "s3")]
    asked.clear()
    studio.backends.start_training(made.id)
    assert any(path == "/webhook" and b"START_TRAINING" in body for path, body, _ in asked)
    assert {secret for path, _, secret in asked if path == "/setup"} <= {"Basic " + base64.b64encode(b"dinolabel:secret").decode()}
    asked.clear()
    studio_calls.retrieve_predictions(studio, project)
    assert any(path == "/predict" for path, _, _ in asked)
    (task,) = (each.id for each in studio.tasks.list(project))
    studio.predictions.import_many(project, [prediction(task, "v1")])
    assert studio.projects.delete_version(project, "v1") == 1
    assert studio.projects.get(project).model_version == "dinolabel"  # which Label Studio by itself would have emptied
    studio.backends.delete(made.id)
    assert studio.backends.list(project) == []
    assert studio.projects.get(project).model_version == "dinolabel"  # Label Studio goes on naming what is gone
    studio.projects.set_model_version(project, "")
    assert studio.projects.get(project).model_version == ""
    assert [each.id for each in studio.webhooks.list(project)] == [hook.id]
    studio.webhooks.delete(hook.id)
    assert studio.webhooks.list(project) == []


def test_a_backend_that_is_not_there_is_refused_in_label_studios_words(studio: LabelStudio, project_of: Make) -> None:
    with pytest.raises(StudioRefused, match="health check failed"):
        studio.backends.create(project_of(XML), "http://127.0.0.1:9", "dinolabel")


# the server itself


def processes_of(folder: Path) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if str(folder) in line and "label-studio" in line]


def wait_until_gone(folder: Path, seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while (left := processes_of(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


OWNER = """
import pathlib, sys, time
from dinolabel.studio.server.process import LocalStudio
print(LocalStudio(pathlib.Path(sys.argv[1])).start().url, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_it_ends_with_us_however_we_end_and_starts_again_on_its_folder(studio_server: Any, tmp_path: Path) -> None:
    folder = copied(studio_server.data, tmp_path / "own")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert owner.stdout is not None
    url = next(line for line in owner.stdout if line.startswith("http")).strip()
    token = (folder / "token").read_text()
    assert LabelStudio(url, token).users.whoami()["id"]
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    assert len(token) == 40
    with pytest.raises(StudioUnreachable, match="Another Label Studio"):
        LocalStudio(folder).start()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert wait_until_gone(folder, 15) == []
    with LocalStudio(folder) as again:
        assert again.url == url
        assert LabelStudio(again.url, again.token).users.whoami()["id"]
        assert again.token == token
    assert wait_until_gone(folder, 1) == []


@pytest.mark.slow
def test_a_start_that_fails_shows_the_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "label_studio.sqlite3").write_bytes(b"this is no database" * 1000)
    server = LocalStudio(tmp_path)
    with pytest.raises(StudioUnreachable, match="ended while starting") as caught:
        server.start()
    assert "file is not a database" in str(caught.value)
    assert not server.running()
