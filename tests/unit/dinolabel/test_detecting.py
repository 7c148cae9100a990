"""`dinolabel detect` on folders: a run that is killed goes on, Parquet that others read back, memory that stays flat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import PIL.Image
import pyarrow.parquet as pq
import pytest

from dinolabel.__main__ import run
from dinolabel.detect import inputs, output
from dinolabel.detect import run as detecting
from dinolabel.detect.model import DetectModel
from dinolabel.exporters.output.checkpoint import CheckpointLog
from dinolabel.settings import Settings
from dinolabel.vision.types import Box, Detection, Image
from tests.tiny_models import tiny_detector

ASK = ["--prompt", "cat", "--prompt", "pet=dog, puppy", "--box-threshold", "0.2", "--text-threshold", "0.05"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("weights") / "detector")


@pytest.fixture(autouse=True)
def settled(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DINOLABEL_DETECTOR_WEIGHTS", str(weights))
    monkeypatch.setenv("DINOLABEL_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def photos(folder: Path, count: int, *, size: tuple[int, int] = (160, 120)) -> Path:
    """Every third in a folder of its own."""
    for number in range(count):
        path = folder / (f"deep/er/{number:03}.png" if number % 3 == 0 else f"{number:03}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        PIL.Image.fromarray(noise).resize(size).save(path)
    return folder


@pytest.mark.parametrize(
    ("boxes", "failed", "mostly"),
    [([0, 0], 0, True), ([0, 3], 0, True), ([0, 1, 1], 0, False), ([1], 0, False), ([0, 0, 5], 1, True), ([], 2, False), ([], 0, False)],
)
def test_pictures_without_a_box_are_counted_beside_those_that_failed(boxes: list[int], failed: int, mostly: bool) -> None:
    entries = [{"file": "a", "found": [{}] * each} for each in boxes] + [{"file": "b", "error": "x", "hint": ""}] * failed
    sums = output.DetectionTotals.of(entries)
    assert (sums.empty, sums.mostly_empty) == (boxes.count(0), mostly)


def documented(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_parquet_says_what_the_json_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(tmp_path / "photos", 7)
    (folder / "bad.jpg").write_text("<html>")
    (folder / "plain.png").write_bytes(b"")
    PIL.Image.new("RGB", (160, 120)).save(folder / "plain.png")
    document = documented(["detect", str(folder), *ASK, "--out", "new/boxes.parquet"], capsys)
    frame = pandas.read_parquet(tmp_path / "new" / "boxes.parquet")
    assert set(frame.file) == {each["file"] for each in document["images"] + document["failed"]}
    assert frame[frame.error.notna()].file.tolist() == ["bad.jpg"]
    assert "web page" in frame[frame.error.notna()].error.item()
    assert any("/" in each for each in frame.file), "folders below are looked through"
    rows = [(image["file"], box["label"], box["phrase"], *box["box"]) for image in document["images"] for box in image["found"]]
    found = frame[frame.label.notna()]
    assert len(rows) > 5
    assert list(found[["file", "label", "phrase", "x1", "y1", "x2", "y2"]].itertuples(index=False, name=None)) == rows
    assert (found.width == 160).all() and found.confidence.isna().all()
    nothing = [image["file"] for image in document["images"] if not image["found"]]
    assert frame[frame.label.isna() & frame.error.isna()].file.tolist() == nothing
    facts = json.loads(pq.read_schema(tmp_path / "new" / "boxes.parquet").metadata[b"dinolabel"])
    assert facts == {name: document[name] for name in ("format", "prompt", "weights", "head", "thresholds")}
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["boxes.parquet"]


def test_results_that_cocoeval_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    folder = photos(tmp_path / "photos", 4)
    index = {"images": [{"id": 70 + at, "file_name": name, "width": 160, "height": 120} for at, name in enumerate(("000.png", "001.png"))]}
    index |= {"categories": [{"id": 5, "name": "pet"}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(index))
    ask = ["detect", str(folder), *ASK, "--coco", "truth.json"]
    assert run(ask) == 2 and "Add --out FOLDER" in capsys.readouterr().err
    document = documented([*ask, "--out", "new"], capsys)
    truth = COCO(str(tmp_path / "truth.json"))
    loaded = truth.loadRes(str(tmp_path / "new/coco_results.json"))
    expected = [
        (70 + int(Path(image["file"]).stem), 5, box["box"], box["score"])
        for image in document["images"] if Path(image["file"]).name in ("000.png", "001.png")
        for box in image["found"] if box["label"] == "pet"
    ]  # fmt: skip
    found = [(each["image_id"], each["category_id"], each["bbox"], each["score"]) for each in loaded.loadAnns(loaded.getAnnIds())]
    assert expected and len(found) == len(expected)
    for (image, label, (x, y, w, h), score), (picture, category, box, other) in zip(found, expected, strict=True):
        assert (image, label) == (picture, category)
        assert [x, y, x + w, y + h, score] == pytest.approx([*box, other], abs=1e-4)
    (tmp_path / "truth.json").write_text("[]")
    assert run([*ask, "--out", "new"]) == 2 and "no COCO detection file" in capsys.readouterr().err


def started(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "dinolabel", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize(("out", "kept"), [("found", "found/.unfinished"), ("boxes.parquet", ".boxes.parquet.unfinished")])
def test_a_killed_run_goes_on(
    tmp_path: Path, out: str, kept: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 60, size=(320, 240))
    (folder / "000.jpg").write_text("<html>")
    (folder / "050.jpg").write_text("<html>")
    journal = tmp_path / kept
    command = ["detect", str(folder), *ASK, "--out", out]
    process = started(command)
    end = time.monotonic() + 120
    while not (journal.is_file() and journal.read_bytes().count(b"\n") > 6):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = journal.read_bytes().count(b"\n") - 1
    assert 6 <= done < 60, "it was killed on its way"
    assert not (tmp_path / "found" / "detections.json").exists() and not (tmp_path / "boxes.parquet").exists()
    with journal.open("ab") as file:
        file.write(b'{"key": "cut sh')
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "elsewhere"))  # not by the detector's cache
    assert run(command) == 0
    said = capsys.readouterr().err
    assert f"Going on: {done} pictures had been seen before." in said
    assert not journal.exists()
    again = documented(["detect", str(folder), *ASK], capsys)
    if out == "found":
        whole = json.loads((tmp_path / out / "detections.json").read_text())
        for image in whole["images"]:
            assert Path(image["annotated"]).is_file()
            image["annotated"] = None
        assert whole == again
    else:
        table = pandas.read_parquet(tmp_path / out)
        assert table.file.drop_duplicates().tolist() == sorted({each["file"] for each in again["images"] + again["failed"]}, key=Path)
        assert table.label.notna().sum() == sum(len(each["found"]) for each in again["images"])


def test_other_words_begin_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was seen for other words, or with another threshold, is not taken for an answer."""
    folder = photos(tmp_path / "photos", 3)
    for terms in (ASK, [*ASK[:-1], "0.06"], ["--prompt", "car"]):
        with CheckpointLog(tmp_path / ".boxes.parquet.unfinished", ["others"]) as journal:
            for path in inputs.find([str(folder)]).pictures:
                journal.append(path.name, path.stamp(), {"found": []})
        assert run(["detect", str(folder), *terms, "--out", "boxes.parquet"]) == 0
        assert "Going on" not in capsys.readouterr().err


def test_a_picture_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    folder, looked = photos(tmp_path / "photos", 4), []
    job, pipeline = _job(folder, tmp_path / "boxes.parquet"), _Pipeline(looked)
    pictures = inputs.find([str(folder)]).pictures
    with CheckpointLog(tmp_path / "j", []) as journal:
        detecting.detect_all(job, pictures, pipeline, journal)
    changed = pictures[2]
    assert changed.path
    PIL.Image.new("RGB", (50, 40)).save(changed.path)
    with CheckpointLog(tmp_path / "j", []) as journal:
        detecting.detect_all(job, pictures, pipeline, journal)
        assert [(each["file"], each["width"]) for each in journal][2] == (changed.name, 50)
    assert looked == [(160, 120)] * 4 + [(50, 40)]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """300 pictures of 300 boxes are 90,000 rows: 100 MB as objects (measured), 3 MB a time as they are met."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(300):
        PIL.Image.new("RGB", (64, 48), (number % 256, number // 256, 0)).save(folder / f"{number:03}.png")
    job, pipeline = _job(folder, tmp_path / "boxes.parquet"), _Pipeline([], boxes=300)
    pictures = inputs.find([str(folder)]).pictures
    with CheckpointLog(tmp_path / "j", []) as journal:
        tracemalloc.start()
        detecting.detect_all(job, pictures, pipeline, journal)
        sums = output.DetectionTotals.of(journal)
        output.write(tmp_path / "detections.json", output.document({"format": 1}, journal))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (sums.pictures, sums.boxes) == (300, 90_000)
    assert len(json.loads((tmp_path / "detections.json").read_text())["images"]) == 300
    assert peak < 15e6


def test_a_crowd_of_bad_pictures_does_not_bury_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(tmp_path / "photos", 1)
    for number in range(30):
        (folder / f"bad{number}.jpg").write_text("<html>")
    assert run(["detect", str(folder), *ASK, "--out", "boxes.parquet"]) == 0
    said = capsys.readouterr().err
    assert said.count("web page") == detecting.MOST_COMPLAINTS
    assert "30 pictures failed" in said and "listed in the result" in said


def test_a_film_makes_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\0")
    assert run(["detect", "film.mp4", *ASK, "--out", "boxes.parquet"]) == 2
    assert "go into a folder" in capsys.readouterr().err


def test_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(tmp_path / "photos", 1)
    (tmp_path / "file").write_text("in the way")
    assert run(["detect", str(folder), *ASK, "--out", "file/boxes.parquet"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def _job(folder: Path, out: Path) -> detecting.DetectRun:
    return detecting.DetectRun(DetectModel(Settings.load(), {"cat": "cat"}), folder, out, every=15)


class _Pipeline:
    """Finds as many things in each picture as it is told, and notes the sizes of what it looked at."""

    batch_size = 3
    detector = SimpleNamespace(device="cuda:0")

    def __init__(self, looked: list[tuple[int, int]], *, boxes: int = 1) -> None:
        self._looked, self._boxes = looked, boxes

    def is_cached(self, *_: object) -> bool:
        return False

    def predict(self, images: Sequence[Image], *_: object, **__: object) -> list[list[Detection]]:
        self._looked += [(each.width, each.height) for each in images]
        return [[Detection(Box(1, 1, 9 + number / 100, 9), "cat", 0.9) for number in range(self._boxes)] for _ in images]
