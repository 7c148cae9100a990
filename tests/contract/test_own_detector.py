"""docs/own-detector.md, walked line by line without a Label Studio: from pictures with boxes to an ONNX file that is read without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dinolabel.__main__ import run
from dinolabel.training.distillation import distil, fitting
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors.student import build
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.students.store import StudentStore
from dinolabel.vision.types import Prompt
from tests import docs, docs_table

PAGE = "docs/own-detector.md"
SCENES = 4


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with coco/ and more/, the embedded weights, and trainings of two steps on small pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fitting, "STEPS", 2)
    monkeypatch.setattr(distil, "SIDES", range(128, 129))
    monkeypatch.setattr(distil, "TIMED", 1)
    for name, value in (("DATA_DIR", tmp_path / "data"), ("DETECTOR_WEIGHTS", "nano"), ("EMBEDDER_WEIGHTS", "nano")):
        monkeypatch.setenv(f"DINOLABEL_{name}", str(value))
    truth = json.loads((NANO_FOLDER / "demo" / "truth.json").read_text())["images"]
    for folder in ("coco/images", "more"):
        (tmp_path / folder).mkdir(parents=True)
    images, marks = [], []
    for number, scene in enumerate(truth[:SCENES]):
        shutil.copy(NANO_FOLDER / "demo" / scene["file"], tmp_path / "coco" / "images")
        images.append({"id": number, "file_name": scene["file"], "width": scene["width"], "height": scene["height"]})
        for x1, y1, x2, y2 in (each["box"] for each in scene["objects"] if each["noun"] == "cat face"):
            marks.append({"id": len(marks) + 1, "image_id": number, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    listed = {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "tom"}]}
    (tmp_path / "coco" / "instances.json").write_text(json.dumps(listed))
    shutil.copy(NANO_FOLDER / "demo" / truth[20]["file"], tmp_path / "more")
    return tmp_path


@pytest.mark.slow
def test_from_pictures_with_boxes_to_a_file_without_torch(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in docs.commands(docs.ROOT / PAGE) if docs_table.run_by(PAGE, line)]
    said = []
    for line in lines:
        assert run(docs.words(line)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
        said.append(capsys.readouterr().out)
    first, second, listed, onnx = said
    assert "Too few to judge" in first and "Not published" in first
    assert "Published because it was forced" in second
    assert "offered" in listed
    assert "10 pictures answered as by torch" in onnx
    picture = home / "coco" / "images" / "scene-000.jpg"
    script = next(block.text for block in docs.blocks(docs.ROOT / PAGE) if block.kind == "python")
    no_torch = "import sys\nsys.modules['torch'] = None\n"
    path = os.pathsep.join(each for each in sys.path if each)
    ended = subprocess.run(
        [sys.executable, "-c", no_torch + script, str(home / "cats.onnx"), str(picture)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    store = StudentStore(home / "data" / "students")
    newest = store.newest("cats")
    assert newest is not None
    made = store.get("cats", newest)
    found = build(str(made.folder)).candidates([open_image(picture)], Prompt.of(["cat face"]), floor=made.threshold, most=1000)[0]
    printed = [json.loads(line[line.index("[") :]) for line in ended.stdout.splitlines()]
    assert len(printed) == len(found)
    assert np.allclose([each.box.xyxy for each in found], printed, atol=0.2) if found else True


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dinolabel distil --from nowhere/ --prompt cat", "no COCO file"),
        ("dinolabel distil --prompt cat --project 3", "go with --from"),
        ("dinolabel distil --project cats", "no project of Label Studio"),
        ("dinolabel students use 0123 --project cats", "No student"),
        ("dinolabel students rollback --project cats", "nothing to go back from"),
        ("dinolabel students onnx a.onnx --project cats", "No student answers"),
    ],
)
def test_what_cannot_be_done_is_named(home: Path, line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(docs.words(line)[1:]) != 0
    assert said in " ".join(capsys.readouterr().err.split())
