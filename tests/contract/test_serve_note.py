"""A real `dinolabel serve` tells others on its data folder with what it runs, for as long as it runs, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dinolabel import running_settings
from dinolabel.local import up_state
from dinolabel.settings import Settings
from tests.e2e.started import ROOT, environment, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_others_take_its_weights_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(data))
    with log.open("wb") as output:
        command = [sys.executable, "-m", "dinolabel", "serve", "--weights", "nano", "--port", "0"]
        served = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment(data))
    try:
        until(lambda: up_state.find_serving(data) or served.poll() is not None, seconds=120, what=log.read_text)
        found = running_settings.settings()
        assert (found.detector_weights, found.embedder_weights) == ("nano", "nano"), log.read_text()
        note = up_state.find_serving(data)
        assert note is not None and note.pid == served.pid and f"Serving at {note.url}" in log.read_text()
        served.send_signal(number)
        served.wait(60)
        assert running_settings.find(data) is None and running_settings.settings() == Settings.load()
    finally:
        served.kill()
        served.wait()
