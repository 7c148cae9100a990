"""Pictures in a cloud storage on a real Label Studio: listed under its own addresses, fetched by signed redirect or through it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.errors import MediaRefused
from tests.doubles.coloured_things import scene
from tests.doubles.scripted_studio import CONFIG
from tests.e2e import services
from tests.e2e.loop import WEIGHTS, service, without_boxes
from tests.waiting import until_in_step

pytestmark = pytest.mark.e2e
HERE = NetworkSettings(private=("127.0.0.0/8",))


@pytest.fixture(scope="module")
def bucket() -> Iterator[services.Bucket]:
    with services.s3() as made:
        yield made


@pytest.fixture
def heard() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where to send webhooks, and what was sent."""
    import json

    events: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/webhook", events
    server.shutdown()
    server.server_close()


def sync(studio: LabelStudio, project: int, bucket: services.Bucket, prefix: str, *, presign: bool) -> None:
    storage = {"project": project, "bucket": bucket.name, "prefix": prefix, "regex_filter": ".*", "use_blob_urls": True, "presign": presign}
    made = studio.api.json("POST", "/api/storages/s3/", json=storage | {"s3_endpoint": bucket.endpoint} | bucket.keys)
    studio.api.json("POST", f"/api/storages/s3/{made['id']}/sync", json={}, timeout=120)


@pytest.mark.parametrize("presign", [True, False], ids=["presign", "proxy"])
def test_a_project_on_s3_gets_boxes(
    studio: LabelStudio,
    project_of: Callable[[str], int],
    bucket: services.Bucket,
    heard: tuple[str, list[dict[str, Any]]],
    tmp_path: Path,
    presign: bool,
) -> None:
    prefix = f"presign-{presign}"
    uris = [bucket.put(f"{prefix}/ä b&{at}.png", scene(tmp_path, at).read_bytes()) for at in range(3)]
    project, (url, events) = project_of(CONFIG), heard
    studio.webhooks.set(project, url, {})
    sync(studio, project, bucket, prefix, presign=presign)
    rows = list(studio.tasks.list(project))
    assert all(re.fullmatch(rf"/tasks/{row.id}/resolve/\?fileuri=.+", row.data["image"]) for row in rows), "as measured"
    told = [(each["action"], sorted(task["data"]["image"] for task in each["tasks"])) for each in events]
    assert told in ([("TASKS_CREATED", sorted(uris))], []), "once, with s3://; a webhook that takes over a second is never sent again"

    made = service(tmp_path, studio, network=HERE)
    made.projects.add(project, weights=WEIGHTS, title="S3")
    until_in_step(made, project)
    assert without_boxes(studio, project) == [] and len(list(studio.predictions.list(rows[0].id))) == 1

    media = MediaResolver(studio, cache_dir=tmp_path / "media", network=HERE)
    assert media.resolve(rows[0].data["image"]) == media.resolve(uris[0]), "asked and pushed share one file"


def test_a_storage_in_the_private_network_is_not_fetched_from_unasked(
    studio: LabelStudio, project_of: Callable[[str], int], bucket: services.Bucket, tmp_path: Path
) -> None:
    bucket.put("private/a.png", scene(tmp_path, 0).read_bytes())
    project = project_of(CONFIG)
    sync(studio, project, bucket, "private", presign=True)
    (row,) = studio.tasks.list(project)
    with pytest.raises(MediaRefused, match="private address"):
        MediaResolver(studio, cache_dir=tmp_path / "media").resolve(row.data["image"])
