"""Every detector and embedder by the settings that name it: through `factory.pipeline` as every command makes one, and by commands."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.doctor import machine
from dinolabel.settings import Settings
from dinolabel.vision import detectors
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.errors import ModelError
from dinolabel.vision.heads import prototype
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.plugins import load_embedder, names
from dinolabel.vision.types import Box, Crop, Image, Thresholds
from tests import faces
from tests.doubles.coloured_things import BLUE, RED, bundle, picture
from tests.e2e.started import ROOT, environment, until
from tests.tiny_models import blobs_plug, tiny, tiny_detector, tiny_onnx

PLUGS = [(kind, plug) for kind in ("detector", "embedder") for plug in names(kind) if plug != faces.PLUG]  # its weights are its package's
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
    models = factory.pipeline(settings, names=kind == "embedder", deferred=deferred)
    if kind == "detector":
        assert models.predict([PICTURE], "cat", thresholds=Thresholds(0.0, 0.0))[0]
    else:
        assert models.embed(PICTURE, BOXES).shape[0] == len(BOXES)


@faces.needed
@pytest.mark.parametrize("deferred", [False, True], ids=["now", "deferred"])
def test_the_pair_of_faces_answers_through_the_settings(tmp_path: Path, deferred: bool) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", device="cpu", detector_weights=faces.PLUG, embedder_weights=faces.PLUG)
    models, person = factory.pipeline(settings, deferred=deferred), Image.from_array(faces.portrait(240).pixels)
    (found,) = models.predict([person], "human face")
    assert len(found) == 1 and models.embed(person, [each.box for each in found]).shape[0] == 1
    again = factory.pipeline(settings, deferred=True)
    assert [type(again.detector).__name__, again.detector.digest] == ["LazyModel", models.detector.digest]


def test_the_second_start_knows_a_plug_by_its_card(chosen: tuple[str, Settings]) -> None:
    kind, settings = chosen
    first = getattr(factory.pipeline(settings, names=kind == "embedder", deferred=True), kind)
    again = getattr(factory.pipeline(settings, names=kind == "embedder", deferred=True), kind)
    assert type(again).__name__ == "LazyModel"
    assert (again.name, again.digest, again.weights) == (first.name, first.digest, first.weights)


def test_doctor_sees_the_weights_of_a_plug(chosen: tuple[str, Settings]) -> None:
    kind, settings = chosen
    (found,) = [each for each in machine.weights_here(settings) if each.about == kind]
    assert (found.level, Path(getattr(settings, f"{kind}_weights")).name in found.text) == ("ok", True), found


@pytest.fixture(params=["none", "file"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A detector of one file that is dropped into the plugs, with no weights or in a `.pt`: what DINOLABEL_DETECTOR_WEIGHTS is set to."""
    monkeypatch.setattr(detectors, "__path__", [*detectors.__path__, str(blobs_plug(tmp_path / "plugs", needs=request.param))])
    importlib.invalidate_caches()
    (tmp_path / "blobs.pt").write_bytes(b"of a format of its own")
    yield str(tmp_path / "blobs.pt") if request.param == "file" else "https://detector.example"
    sys.modules.pop("dinolabel.vision.detectors.blobs", None)


def test_a_detector_that_is_no_folder_runs_in_a_pipeline(blobs: str, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", (BLUE, (10, 20, 50, 70)))
    (found,) = Pipeline.load(blobs, None, detector="blobs")(path, "thing")
    assert (found.box, found.label) == (Box(10, 20, 50, 70), "thing")


def test_a_detector_that_is_no_folder_runs_in_a_command(
    blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "a.png", (BLUE, (10, 20, 50, 70)))
    for name, value in {"DATA_DIR": tmp_path / "data", "DETECTOR": "blobs", "DETECTOR_WEIGHTS": blobs}.items():
        monkeypatch.setenv(f"DINOLABEL_{name}", str(value))
    assert run(["detect", str(tmp_path / "a.png"), "--prompt", "thing", "--json"]) == 0
    told = capsys.readouterr()
    ((found,),) = [each["found"] for each in json.loads(told.out)["images"]]
    assert (found["box"], found["label"]) == ([10, 20, 50, 70], "thing")
    assert ("blobs (needs no weights)" in told.err) == (not blobs.endswith(".pt")) and "downloads" not in told.err
    (finding, _) = machine.weights_here(Settings.load())
    assert finding.level == "ok"


def test_an_exported_model_of_weights_in_a_file_or_of_none(blobs: str, tmp_path: Path) -> None:
    path = Path(blobs) if blobs.endswith(".pt") else None
    weights = {} if path else {"detector": blobs}
    package = ExportedModel({"thing": "thing"}, Thresholds(), detector="blobs", weights=weights)
    made = save(tmp_path / "out", package, detector=path, embedder=None, bundle=None, readme="")
    packed = Pipeline.load(str(made))
    assert (made / "detector").exists() == (path is not None)
    assert packed(picture(tmp_path / "a.png", (BLUE, (10, 20, 50, 70))))[0].box == Box(10, 20, 50, 70)


def test_an_exported_model_remembers_which_engine_is_right(tmp_path: Path) -> None:
    package = ExportedModel({"cat": "cat"}, Thresholds(0.0, 0.0))
    made = save(tmp_path / "out", package, detector=tiny_detector(tmp_path / "detector"), embedder=None, bundle=None, readme="")
    settings = Settings.load(data_dir=tmp_path / "data", device="cpu", batch_size=7)
    first = factory.exported_pipeline(settings, made)
    first([PICTURE])
    first.detector.settle()  # type: ignore[attr-defined]
    again = factory.exported_pipeline(settings, made)
    assert again.detector._checked.is_own and again.batch_size == 7  # type: ignore[attr-defined]


def test_an_exported_model_with_an_embedder_in_one_file(tmp_path: Path) -> None:
    detector, file = tiny_detector(tmp_path / "detector"), tiny_onnx(tmp_path / "faces.onnx", order="BGR")
    embedder = load_embedder("onnx", str(file), device="cpu")
    rows = embedder.embed([Crop(np.full((9, 9, 3), colour, np.uint8)) for colour in (RED, BLUE)])
    fitted = prototype.build().fit(rows, ["red", "blue"])
    learnt = {"arrays": fitted.arrays(), "references": rows, "embedder_name": embedder.name, "embedder_digest": embedder.digest}
    head = replace(bundle({"red": RED, "blue": BLUE}), labels=fitted.labels, **learnt)
    package = ExportedModel({"cat": "cat"}, Thresholds(0.0, 0.0), embedder="onnx")
    made = save(tmp_path / "out", package, detector=detector, embedder=file, bundle=head, readme="")
    file.unlink()
    packed = Pipeline.load(str(made), device="cpu")
    assert packed.embedder is not None and (packed.embedder.name, packed.embedder.digest) == ("onnx-faces", embedder.digest)


def test_weights_in_a_file_are_not_fetched_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"DETECTOR_WEIGHTS": "nano", "EMBEDDER": "onnx", "EMBEDDER_WEIGHTS": "/models/faces.onnx"}.items():
        monkeypatch.setenv(f"DINOLABEL_{name}", value)
    assert run(["weights", "fetch", "--to", str(tmp_path / "weights")]) == 2
    assert "nothing to fetch" in capsys.readouterr().err


@pytest.mark.parametrize("line", ['WEIGHTS = "hub"', "WEIGHTS = None", 'WEIGHTS = "fol" + "der"'])
def test_a_plug_that_says_nonsense_of_its_weights(blobs: str, tmp_path: Path, line: str) -> None:
    (tmp_path / "plugs" / "blobs.py").write_text(line)
    with pytest.raises(ModelError, match="detector blobs does not say how its weights are found"):
        Pipeline.load(blobs, None, detector="blobs")


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


@pytest.mark.parametrize(("precision", "compared"), [("auto", True), ("float32", True), ("bfloat16", False)])
def test_doctor_speaks_of_engines_where_there_are_several(tmp_path: Path, precision: str, compared: bool) -> None:
    weights = str(tiny_detector(tmp_path / "tiny"))
    settings = Settings.load(data_dir=tmp_path / "data", device="cpu", precision=precision, detector_weights=weights)
    (said,) = machine.device(settings)
    assert ("compared" in said.text) == compared
