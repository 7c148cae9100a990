"""`dinolabel serve --model` beside a backend that works with the same data folder: it answers, and touches nothing of the other's."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

import dinolabel
from dinolabel import factory
from dinolabel.backend.jobs.table import RUNNING, Job
from dinolabel.demo import screens
from dinolabel.settings import Settings
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.types import Thresholds
from tests.e2e.started import ROOT, SCENES, environment, until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = ExportedModel({"cat face": "cat"}, Thresholds(0.25, 0.2, 0.6), {}, version="gdino-nano.abc")
    folder = tmp_path_factory.mktemp("model") / "model"
    return save(folder, packed, detector=NANO_FOLDER / "detector", embedder=NANO_FOLDER / "embedder", bundle=None, readme="Hello\n")


def test_it_answers_beside_a_backend_and_leaves_its_work_alone(folder: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    factory.projects(settings).add(1, weights=("nano", "nano"))
    backend = factory.jobs(settings)
    backend.start()
    backend._table.add(Job("a1", "train", 1, RUNNING, "", (), "2026-11-22T12:00:00+00:00", time.time()))
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "dinolabel", "serve", "--model", str(folder), "--port", "0"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment(settings.data_dir))
    try:

        def address() -> str | None:
            assert process.poll() is None, log.read_text()
            found = re.search(r"Serving at (http://127\.0\.0\.1:\d+)", log.read_text())
            return found and found[1]

        url = until(address, seconds=120, what=log.read_text)
        picture = (SCENES / "scene-002.jpg").read_bytes()
        answer = requests.post(f"{url}/v1/detect", data=picture, headers={"Content-Type": "image/jpeg"}, timeout=120)
        assert [each["label"] for each in answer.json()["results"][0]["found"]] == ["cat"], answer.text
        assert requests.get(f"{url}/jobs", timeout=30).json() == {"jobs": [], "projects": []}, "the other's trainings are not its own"
        assert requests.get(f"{url}/v1/openapi.json", timeout=30).json()["info"]["version"] == dinolabel.__version__
        shown = requests.get(url, headers={"Accept": "text/html"}, timeout=30)
        assert "No project yet" not in shown.text and 'type="file"' in shown.text and 'placeholder="cat face"' in shown.text
        with screens.editor(url, {}) as page:
            page.goto(url)
            page.set_input_files("input[type=file]", str(SCENES / "scene-002.jpg"))
            for words, label in (("", "cat"), ("cake", "cake")):
                page.fill("input[name=prompt]", words)
                page.click("button")
                page.wait_for_selector("#raw:not([hidden])", timeout=60_000)
                assert page.locator("#found tbody td").first.inner_text() == label
                assert page.evaluate("document.getElementById('shown').width") == 448
            page.fill("input[name=prompt]", "人脸")
            page.click("button")
            page.wait_for_selector("#told.bad")
            assert "knows no word of “人脸”" in page.inner_text("#told")
        assert "img-src blob:" in shown.headers["Content-Security-Policy"]
        assert backend.get("a1").state == RUNNING, "taken for lost by a second worker"
    finally:
        process.terminate()
        assert process.wait(60) in (0, 130, -15)
        backend.stop()
