"""Started from a script's background, where Ctrl-C is ignored, commands that run on still end by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.started import ROOT, environment, until


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
