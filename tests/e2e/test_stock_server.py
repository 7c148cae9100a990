"""Our model class under label-studio-ml's own server, as far as that goes: a real Label Studio connects, opens a task, and shows boxes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from dinolabel.backend.model import DinolabelModel
from dinolabel.studio.client import LabelStudio
from dinolabel.vision.errors import SettingsError
from tests import studio_calls
from tests.doubles.coloured_things import scene
from tests.doubles.scripted_studio import CONFIG
from tests.e2e.loop import service

pytestmark = pytest.mark.e2e


@pytest.fixture
def stock(studio: LabelStudio, tmp_path: Path) -> Iterator[BaseWSGIServer]:
    from label_studio_ml.api import init_app

    app = init_app(DinolabelModel, model_dir=str(tmp_path / "stock"), service=service(tmp_path / "data", studio))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_label_studio_shows_boxes_of_the_stock_server(
    stock: BaseWSGIServer, studio: LabelStudio, project_of: Callable[[str], int], tmp_path: Path
) -> None:
    project = project_of(CONFIG)
    (tmp_path / "photos").mkdir()
    studio.tasks.upload_images(project, [scene(tmp_path / "photos", each) for each in range(2)])
    backend = studio.backends.create(project, f"http://127.0.0.1:{stock.server_port}", "stock")
    assert (backend.state, backend.model_version) == ("CO", "INITIAL")
    opened = studio_calls.next_task(studio, project)
    assert opened is not None
    (prediction,) = studio.predictions.list(opened["id"])
    assert len(prediction["result"]) == 2
    assert prediction["model_version"].startswith("things.")


def test_its_routes(stock: BaseWSGIServer, tmp_path: Path) -> None:
    from label_studio_ml.api import _server

    client = _server.test_client()
    assert client.get("/health").json["status"] == "UP"
    body: dict[str, Any] = {"project": "1.2", "schema": CONFIG, "hostname": "", "access_token": "x"}
    assert client.post("/setup", json=body).json == {"model_version": "INITIAL"}
    tasks = [{"id": 1, "project": 1, "data": {"image": "/data/upload/gone.png"}}]
    answer = client.post("/predict", json={"project": "1.2", "label_config": CONFIG, "tasks": tasks, "params": {"context": None}})
    assert answer.json["results"] == [{}]
    assert client.post("/predict", json={"project": "1.2", "label_config": CONFIG, "tasks": [], "params": {}}).json["results"] == []
    assert client.post("/versions", json={"project": "1.2"}).json["versions"] == []


def test_without_a_service_it_says_so() -> None:
    with pytest.raises(SettingsError, match="no service"):
        DinolabelModel(label_config=CONFIG).predict([{"id": 1}])
