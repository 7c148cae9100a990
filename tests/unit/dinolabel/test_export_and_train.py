"""`dinolabel export` and `dinolabel train` as a person types them, on an export file, real pictures and tiny weights."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.backend.jobs.table import Job, JobTable
from dinolabel.local.backend import BackendProcess, free_port
from dinolabel.projects.sources import with_predictions
from dinolabel.settings import Settings
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from tests.doubles.studio_parts import StudioParts
from tests.tiny_models import tiny_detector, tiny_embedder, tiny_onnx
from tests.waiting import eventually

CONFIG = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="thing" predicted_values="thing"/><Label value="red"/><Label value="blue"/></RectangleLabels></View>"""
ROOMS = ("app", "backend", "dinolabel", "exporters", "studio", "training", "vision")
COLOURS = {"red": (220, 30, 40), "blue": (30, 60, 220)}


def region(identity: str, x: float, label: str, origin: str | None) -> dict[str, Any]:
    value = {"x": x, "y": 20.0, "width": 25.0, "height": 50.0, "rotation": 0, "rectanglelabels": [label]}
    found = {"id": identity, "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value, "image_rotation": 0}
    return found | {"original_width": 160, "original_height": 80} | ({"origin": origin} if origin else {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures with a red and a blue thing, named by a person, and the last one lost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "pictures").mkdir()
    tasks = []
    for number in range(12):
        pixels = np.random.default_rng(number).integers(80, 160, (80, 160, 3), dtype=np.uint8)
        for at, colour in enumerate(COLOURS.values()):
            pixels[16:56, 16 + 80 * at : 56 + 80 * at] = colour
        PIL.Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
        kept = [region(f"r{at}", 10 + 50 * at, label, "prediction-changed") for at, label in enumerate(COLOURS)]
        shown = [region(f"r{at}", 11 + 50 * at, "thing", None) for at in range(2)]
        done = {"id": number, "completed_by": 1, "was_cancelled": False, "lead_time": 2.0, "result": kept}
        done |= {"updated_at": "2026-11-22T11:00:00Z"}
        done |= {"parent_prediction": number, "prediction": {"id": number, "result": shown, "model_version": "v"}}
        tasks.append({"id": number + 1, "data": {"image": f"/data/upload/1/0a1b2c3d-{number}.png"}, "annotations": [done]})
    (tmp_path / "pictures" / "11.png").unlink()
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (tmp_path / "config.xml").write_text(CONFIG)
    return tmp_path


EXPORT = ["export", "crops", "--from", "export.json", "--media", "pictures", "--label-config", "config.xml"]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_export_then_train_then_nothing_new(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--out", "crops", "--json"]) == 0
    report = printed(capsys)
    assert report["approved"] == {"red": 12, "blue": 12}
    assert [(each["task"], each["boxes"]) for each in report["failed"]] == [(12, 2)]
    assert report["rows"] == 44  # eleven pictures, two objects, two views
    weights = str(tiny_embedder(place / "weights"))
    train = ["train", "--manifest", "crops", "--project", "1", "--weights", weights, "--json"]
    assert run(train) == 0
    verdict = printed(capsys)
    assert verdict["published"] and Path(verdict["receipt"]).is_file()
    assert run(train) == 0
    again = printed(capsys)
    assert not again["published"] and "nothing new" in again["reason"]
    assert run([*train, "--force"]) == 0
    assert printed(capsys)["bundle_id"] == verdict["bundle_id"]


@pytest.mark.slow
def test_a_training_job_is_not_misled_by_files_of_the_working_folder(place: Path) -> None:
    assert run([*EXPORT, "--out", "crops"]) == 0
    for room in ROOMS:
        (place / f"{room}.py").touch()
    settings = Settings.load(embedder_weights=str(tiny_embedder(place / "weights")))
    command = ("dinolabel", "train", "--manifest", "crops", "--project", "1")
    jobs = factory.jobs(settings)
    JobTable(place / "data" / "jobs" / "jobs.sqlite").add(Job("1", "train", 1, "queued", "asked", (command,), None, time.time()))
    jobs.start()
    try:
        eventually(lambda: not jobs.get("1").active, 120.0, every=0.2)
    finally:
        jobs.stop()
    ended = jobs.get("1")
    assert (ended.state, ended.verdict is not None) == ("done", True), jobs.log_of("1").read_text()


@pytest.mark.slow
def test_a_backend_is_not_misled_by_files_of_the_working_folder(place: Path) -> None:
    for room in ROOMS:
        (place / f"{room}.py").touch()
    weights = {"detector_weights": str(tiny_detector(place / "detector")), "embedder_weights": str(tiny_embedder(place / "embedder"))}
    with BackendProcess(Settings.load(port=free_port(None), **weights), place / "backend.log") as backend:
        eventually(backend.ready, 120.0, every=0.2)


def test_an_embedder_in_one_file_learns_and_names(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_EMBEDDER", "onnx")
    monkeypatch.setenv("DINOLABEL_EMBEDDER_WEIGHTS", str(tiny_onnx(place / "faces.onnx")))
    assert run([*EXPORT, "--out", "crops"]) == 0
    capsys.readouterr()
    assert run(["train", "--manifest", "crops", "--project", "1", "--json"]) == 0
    assert printed(capsys)["published"]
    weights = str(tiny_detector(place / "detector"))
    detect = ["detect", "pictures", "--prompt", "cat", "--project", "1", "--weights", weights, "--box-threshold", "0", "--json"]
    assert run(detect) == 0
    found = [each for image in printed(capsys)["images"] for each in image["found"]]
    assert found and all(each["guess"] in COLOURS or each["confidence"] is not None for each in found)


def test_a_person_sees_counts_verdict_and_where_the_receipt_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--out", "crops"]) == 0
    told = capsys.readouterr()
    assert "red 12, blue 12" in told.out and "task 12" in told.out and "Wrote 44 crops to crops" in told.out
    assert "Cut 24 boxes out of 12 pictures" in told.err
    assert run(["train", "--manifest", "crops", "--project", "1", "--weights", str(tiny_embedder(place / "weights"))]) == 0
    told = capsys.readouterr()
    assert "Train a head for project 1" in told.err
    assert "Published as" in told.out and "receipt.html" in told.out


def test_a_dry_run_only_counts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--dry-run", "--json"]) == 0
    assert printed(capsys)["approved"] == {"red": 12, "blue": 12}
    assert not (place / "crops").exists()


def test_a_folder_without_the_pictures_is_a_failure_that_replaces_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--out", "crops"]) == 0
    before = sorted(path for path in (place / "crops").rglob("*") if path.is_file())
    (place / "elsewhere").mkdir()
    wrong = [*EXPORT[:5], "elsewhere", *EXPORT[6:], "--out", "crops"]
    capsys.readouterr()
    assert run(wrong) == 3
    told = capsys.readouterr()
    assert "None of the 12 pictures of this export could be had, so nothing was written" in " ".join(told.err.split())
    assert "--media" in told.err and "Wrote" not in told.out
    assert run([*wrong, "--json"]) == 3
    report = printed(capsys)
    assert (len(report["failed"]), report["rows"], report["out"]) == (12, 0, None)
    assert sorted(path for path in (place / "crops").rglob("*") if path.is_file()) == before


def test_one_task_that_makes_no_sense_is_listed_and_the_others_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = json.loads((place / "export.json").read_text())
    (place / "export.json").write_text(json.dumps([{"id": "x"}, *tasks, {**tasks[0], "id": 50, "data": {"image": "http://[::1"}}]))
    assert run([*EXPORT, "--out", "crops", "--json"]) == 0
    failed = {each["task"]: each for each in printed(capsys)["failed"]}
    assert set(failed) == {None, 12, 50}
    assert failed[None]["why"] == "The task cannot be read: its `id` is no number (number 1 of the export)."
    assert failed[50]["why"] == "The task's address makes no sense: Invalid IPv6 URL."
    assert run(["effort", *EXPORT[2:], "--out", "page.html"]) == 0
    assert "left out  The task cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["export", "coco", "--media", "pictures", "--out", "x"], 2, "--media goes with an export file"),
        (["effort", "--label-config", "config.xml"], 2, "--label-config goes with an export file"),
        (["export", "yolo9", *EXPORT[2:]], 2, "There is no export format 'yolo9'"),
        (EXPORT, 2, "Where should the files go?"),
        (EXPORT[:6], 2, "needs --media and --label-config"),
        ([*EXPORT[:3], "config.xml", *EXPORT[4:]], 2, "is no JSON export"),
        ([*EXPORT[:3], "nothing.json", *EXPORT[4:]], 2, "cannot be read"),
        ([*EXPORT[:5], "nowhere", *EXPORT[6:]], 2, "There is no folder nowhere"),
        ([*EXPORT, "--out", "pictures"], 2, "holds other things"),
        (["train", "--manifest", "pictures", "--project", "1", "--weights", "nowhere"], 4, "nowhere"),
    ],
)
def test_a_wrong_question_gets_a_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert run(arguments) == code
    assert says in " ".join(capsys.readouterr().err.split())


def test_nothing_named_is_an_error_that_names_labels(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = json.loads((place / "export.json").read_text())
    for task in tasks:
        for each in task["annotations"][0]["result"]:
            each["value"]["rectanglelabels"] = ["thing"]
    (place / "export.json").write_text(json.dumps(tasks))
    assert run([*EXPORT, "--out", "crops"]) == 0
    assert run(["train", "--manifest", "crops", "--project", "1", "--weights", str(tiny_embedder(place / "weights"))]) == 6
    assert "red needs 1 more, blue needs 1 more" in " ".join(capsys.readouterr().err.split())


class TwoTasks(StudioParts):
    """A Label Studio whose export has the first prediction inline and the second by its id only."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predictions_list(self, task: int) -> list[dict[str, Any]]:
        self.asked.append(task)
        return [{"id": 9, "result": [region("r0", 10, "thing", None), region("r1", 60, "thing", None)], "model_version": "v"}]


def test_predictions_that_the_export_lacks_are_asked_for() -> None:
    def task(number: int, prediction: dict[str, Any]) -> dict[str, Any]:
        done = {"id": number, "completed_by": 1, "was_cancelled": False, "lead_time": 2.0, "updated_at": "2026-11-22T11:00:00Z"}
        done |= {"result": [region("r0", 10, "red", "prediction-changed")], "parent_prediction": 9, "prediction": prediction}
        return {"id": number, "data": {"image": "x"}, "annotations": [done], "predictions": [9]}

    studio = TwoTasks()
    inline = {"id": 9, "result": [region("r0", 10, "thing", None)], "model_version": "v"}
    tasks = [with_predictions(each, studio) for each in (task(1, inline), task(2, {}))]  # type: ignore[arg-type]
    assert studio.asked == [2]
    judged = [box for each in tasks for box in review_by_policy(each, LabelConfig.parse(CONFIG), annotators="agreed").boxes]
    found = [(each.task, each.region, each.verdict) for each in judged]
    assert found == [(1, "r0", "approved"), (2, "r0", "approved"), (2, "r1", "rejected")]
