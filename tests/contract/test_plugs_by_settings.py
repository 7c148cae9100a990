"""Every detector and embedder by the settings that name it: through `build.pipeline`, as every command makes one, and by commands themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel import build, checks
from dinolabel.settings import Settings
from tests.e2e.started import ROOT, environment, until
from tests.tiny_models import tiny, tiny_detector, tiny_onnx
from vision.plugs import names
from vision.types import Box, Image, Thresholds

PLUGS = [(kind, plug) for kind in ("detector", "embedder") for plug in names(kind)]
PICTURE = Image.from_array(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
BOXES = [Box(0, 0, 40, 40), Box(20, 10, 110, 80)]


@pytest.fixture(params=PLUGS, ids="-".join)
def chosen(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Settings]:
    """A kind, and settings that choose one plug of it with tiny weights; the other kind's is the stock plug."""
    kind, plug = request.param
    values: dict[str, Any] = {"data_dir": tmp_path / "data", "device": "cpu", "box_threshold": 0.0, "text_threshold": 0.0}
    for each, stock in (("detector", "grounding_dino"), ("embedder", "dinov2")):
        name = plug if each == kind else stock
        values |= {each: name, f"{each}_weights": str(tiny(each, name, tmp_path / each)[0])}
    return kind, Settings.load(**values)


@pytest.mark.parametrize("deferred", [False, True], ids=["now", "deferred"])
def test_a_plug_answers_through_the_settings(chosen: tuple[str, Settings], deferred: bool) -> None:
    kind, settings = chosen
    models = build.pipeline(settings, names=kind == "embedder", deferred=deferred)
    if kind == "detector":
        assert models.detect([PICTURE], "cat", Thresholds(0.0, 0.0))[0]
    else:
        assert models.embed(PICTURE, BOXES).shape[0] == len(BOXES)


def test_the_second_start_knows_a_plug_by_its_card(chosen: tuple[str, Settings]) -> None:
    kind, settings = chosen
    first = getattr(build.pipeline(settings, names=kind == "embedder", deferred=True), kind)
    again = getattr(build.pipeline(settings, names=kind == "embedder", deferred=True), kind)
    assert type(again).__name__ == "Deferred"
    assert (again.name, again.digest, again.weights) == (first.name, first.digest, first.weights)


def test_doctor_sees_the_weights_of_a_plug(chosen: tuple[str, Settings]) -> None:
    kind, settings = chosen
    (found,) = [each for each in checks.weights_here(settings) if each.about == kind]
    assert (found.level, Path(getattr(settings, f"{kind}_weights")).name in found.text) == ("ok", True), found


def test_the_app_starts_with_an_embedder_in_one_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    chosen = {
        "DINOLABEL_DETECTOR_WEIGHTS": str(tiny_detector(tmp_path / "detector")),
        "DINOLABEL_EMBEDDER": "onnx",
        "DINOLABEL_EMBEDDER_WEIGHTS": str(tiny_onnx(tmp_path / "faces.onnx")),
    }
    command = [sys.executable, "-m", "dinolabel", "app", "--port", "0"]
    with log.open("wb") as output:
        told = environment(tmp_path / "data") | chosen
        app = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=told)
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or app.poll() is not None, seconds=120, what=log.read_text)
        os.kill(app.pid, signal.SIGTERM)
        assert app.wait(20) == 0, log.read_text()
    finally:
        app.kill()
