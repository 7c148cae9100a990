"""Started from a script's background, where Ctrl-C is ignored, commands that run on still end by it; the backend answers what waits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.e2e.started import ROOT, SCENES, environment, until

SCENE = SCENES / "scene-000.jpg"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_app_ends(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "dinolabel", "app", "--weights", "nano", "--port", "0"]
    started = ["bash", "-c", "trap '' INT; exec \"$@\"", "-", *command]
    with log.open("wb") as output:
        app = subprocess.Popen(started, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment(tmp_path / "data"))
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or app.poll() is not None, seconds=120, what=log.read_text)
        os.kill(app.pid, number)
        assert app.wait(20) == 0, log.read_text()
    finally:
        app.kill()


BACKEND = """
import sys
from pathlib import Path

import torch

from dinolabel import __main__, factory
from tests.unit.backend.conftest import World

world = World(Path(sys.argv[1]))
many = torch.ones(400, 400)


def look():
    print("A pass has begun.", flush=True)
    for _ in range(200_000):
        torch.mm(many, many)  # foreign code: a thread that is ended in it aborts the process


world.detector.looking = look
factory.service = lambda settings, **_: world.service(studio=None)
sys.exit(__main__.run(["serve", "--port", "0"]))
"""


def test_the_backend_answers_what_waits_and_ends_in_a_pass_that_takes_minutes(tmp_path: Path) -> None:
    log, told = tmp_path / "log", environment(tmp_path / "data")
    with log.open("wb") as output:
        command = [sys.executable, "-c", BACKEND, str(tmp_path / "world")]
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=told | {"PYTHONPATH": str(ROOT)})

    def ask() -> requests.Response:
        return requests.post(f"{url}/v1/detect", files={"image": SCENE.read_bytes()}, data={"prompt": "dog"}, timeout=120)

    try:
        found = until(lambda: re.search(r"http://127\.0\.0\.1:\d+", log.read_text()), seconds=120, what=log.read_text)
        url = found[0]
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(ask) for _ in range(3)]
            until(lambda: "A pass has begun" in log.read_text(), seconds=60, what=log.read_text)
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0, log.read_text()
            answers = [each.result(30) for each in asked]
    finally:
        server.kill()
    assert [each.status_code for each in answers] == [503] * 3, [each.text for each in answers]
    assert "being stopped" in answers[0].json()["error"] and answers[0].headers["Retry-After"]
    assert "terminate called" not in log.read_text()
