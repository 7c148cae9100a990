"""A Label Studio as an office runs it: on PostgreSQL, beside a Redis, behind https on a sub-path; and our whole loop on it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from dinolabel.backend.http.server import create_app, serve
from dinolabel.projects import connect
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from tests import studio_calls, waiting
from tests.doubles.coloured_things import scene
from tests.e2e import services
from tests.e2e.loop import Watcher, service, without_boxes

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]  # the first boot on PostgreSQL: minutes on a busy machine
ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret of this office"
TRAINS = (
    "import sys\n"
    "if 'train' in sys.argv:\n"
    "    from pathlib import Path\n"
    "    from tests.doubles.coloured_things import bundle, RED, GREEN\n"
    "    from dinolabel.vision.bundles.registry import BundleStore\n"
    "    BundleStore(Path({bundles!r})).publish('{project}', "
    "bundle({{'jason': RED, 'lacy': GREEN}}, trained_until='2999-01-01T00:00:00+00:00'))\n"
    "print('Trained.')"
)


@dataclass(frozen=True)
class Office:
    """url: https on a sub-path. token: of Label Studio. ca: whom to trust for it. documents: what it may serve."""

    url: str
    token: str
    ca: Path
    documents: Path

    @property
    def studio(self) -> LabelStudio:
        return LabelStudio(self.url, self.token, network=NetworkSettings(ca_bundle=self.ca))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    (folder / "documents").mkdir()
    inner, outer = services.free_port(), services.free_port()
    with ExitStack() as running:
        front = running.enter_context(services.nginx(folder, upstream=inner, port=outer))
        database = running.enter_context(services.postgres())
        running.enter_context(services.redis(folder))
        extra = database | {"LABEL_STUDIO_HOST": front.url}
        studio = services.StudioWith(folder / "studio", extra, port=inner, documents=folder / "documents")
        running.enter_context(studio)
        yield Office(front.url, studio.token, front.ca, folder / "documents")


eventually = partial(waiting.eventually, seconds=120.0, every=0.2)


def test_init_predict_annotate_train_switch(office: Office, tmp_path: Path) -> None:
    photos, data = tmp_path / "photos", tmp_path / "data"
    photos.mkdir()
    for at in range(6):
        scene(photos, at)
    ours = {"DINOLABEL_STUDIO_URL": office.url, "DINOLABEL_STUDIO_TOKEN": office.token, "DINOLABEL_CA_BUNDLE": str(office.ca)}
    environment = os.environ | ours | {"DINOLABEL_DATA_DIR": str(data), "DINOLABEL_SECRET": SECRET}

    def dinolabel(*words: str) -> str:
        command = [sys.executable, "-m", "dinolabel", *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    words = ["--title", "Office", "--prompt", "thing=coloured thing", "--names", "jason,lacy", "--weights", "nano"]
    dinolabel("init", *words, "--photos", str(photos))
    studio = office.studio
    (project,) = [each.id for each in studio.projects.list() if each.title == "Office"]
    program = [sys.executable, "-c", TRAINS.format(bundles=str(data / "bundles"), project=project)]
    made = service(data, studio, program=program, network=studio.api.network, poll_seconds=600.0, train_after=4)
    server = serve(create_app(made, secret=SECRET), "127.0.0.1", 0, secret=SECRET)
    threading.Thread(target=server.run, daemon=True).start()
    made.start()
    try:
        eventually(lambda: studio.projects.get(project).model_version and not without_boxes(studio, project))
        connect.connect(studio, project, server.url, secret=SECRET)
        told = dinolabel("doctor", "--project", str(project), "--weights", "nano")
        assert "with our secret" in told and "was fetched" in told, told
        before = studio.projects.get(project).model_version
        with Watcher(studio, project) as watcher:
            for row in list(studio.tasks.list(project))[:2]:
                boxes = studio.predictions.list(row.id)[-1]
                result = [dict(each) for each in boxes["result"]]
                for each, name in zip(result, ("jason", "lacy"), strict=True):
                    each["value"] = {**each["value"], "rectanglelabels": [name]}
                studio.annotations.create(row.id, result, lead_time=2.0, parent_prediction=boxes["id"])
            eventually(lambda: studio.projects.get(project).model_version not in ("", before, connect.TITLE))
            eventually(lambda: made.board.get(project).state == "synced")
        assert watcher.bare == []
        opened = studio_calls.next_task(studio, project)
        assert opened is not None
        assert [each["value"]["rectanglelabels"] for each in opened["predictions"][0]["result"]] == [["jason"], ["lacy"]]
    finally:
        made.stop()
        server.close()


def test_every_form_of_address_is_found(office: Office, tmp_path: Path) -> None:
    studio = office.studio
    project = studio.projects.create("Addresses", '<View><Image name="image" value="$image"/></View>').id
    photo = scene(tmp_path, 0)
    (office.documents / "photos").mkdir(exist_ok=True)
    (office.documents / "photos" / "a b.png").write_bytes(photo.read_bytes())
    studio.tasks.upload_images(project, [photo])
    studio.local_storages.sync(studio.local_storages.create(project, office.documents / "photos"))
    urls = [row.data["image"] for row in studio.tasks.list(project)]
    path = "/" + office.url.split("/", 3)[3]
    assert urls[0].startswith(f"{path}/data/upload/") and urls[1].startswith(f"{office.url}/data/local-files/?d="), "as measured"
    inner = MediaResolver(studio, cache_dir=tmp_path / "media")
    assert [inner.resolve(each).read_bytes() for each in urls] == [photo.read_bytes()] * 2
