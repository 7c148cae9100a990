"""`dinolabel detect` from the outside, on tiny random weights: what is printed, written, and with which exit code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel.__main__ import run
from tests.doubles.drawn_films import Disc, film, song
from tests.doubles.scripted_models import RED, colour_bundle

pytestmark = pytest.mark.usefixtures("tiny_settings")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "deep/b.png", "deep/c.png")):
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        PIL.Image.fromarray(noise).resize((160, 120)).save(folder / name)
    return folder


ASK = ["--prompt", "cat", "--prompt", "pet=dog, puppy", "--box-threshold", "0.2", "--text-threshold", "0.05"]


def test_json_has_the_schema_it_promises(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "page.jpg").write_text("<html>")
    assert run(["detect", str(photos), *ASK, "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert list(document) == ["format", "prompt", "weights", "head", "thresholds", "images", "failed"]
    assert document["prompt"] == {"cat": "cat", "dog": "pet", "puppy": "pet"}
    assert document["thresholds"] == {"box": 0.2, "text": 0.05, "nms_iou": 0.6}
    assert [each["file"] for each in document["images"]] == ["a.png", "deep/b.png", "deep/c.png"]
    rows = [(image, row) for image in document["images"] for row in image["found"]]
    assert rows, "random weights find something at this threshold"
    for image, row in rows:
        x1, y1, x2, y2 = row["box"]
        assert 0 <= x1 < x2 <= image["width"] == 160
        assert 0 <= y1 < y2 <= image["height"] == 120
        assert row["label"] == document["prompt"][row["phrase"]]
        assert row["score"] >= 0.2
    assert [each["file"] for each in document["failed"]] == ["page.jpg"]
    assert "1 picture failed" in printed.err
    assert "Look for cat, dog and puppy in 4 pictures" in printed.err


@pytest.mark.parametrize(
    ("chosen", "threshold", "said"),
    [(["--weights", "nano"], "0.99", True), ([], "0.99", False)],
)
def test_nothing_found_by_weights_that_know_no_photos_says_so(
    photos: Path, capsys: pytest.CaptureFixture[str], chosen: list[str], threshold: str, said: bool
) -> None:
    ask = ["--prompt", "cat", "--text-threshold", "0", "--box-threshold", threshold]
    assert run(["detect", str(photos), *ask, *chosen]) == 0
    plan, _, end = capsys.readouterr().err.partition(" ready")
    assert ("nano (embedded, knows drawn things only, not photos" in " ".join(plan.split())) is bool(chosen)
    assert ("nano knows drawn things only, not photos" in end and "--weights hub" in end) is said


def test_how_a_picture_was_read_is_said(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *more = (PIL.Image.new("RGB", (160, 120), colour) for colour in ("red", "green", "blue"))
    first.save(photos / "scan.tif", save_all=True, append_images=more)
    PIL.Image.fromarray(np.linspace(0, 4095, 160).astype(np.uint16)[None].repeat(120, axis=0)).save(photos / "heat.png")
    assert run(["detect", str(photos), *ASK, "--json"]) == 0
    printed = capsys.readouterr()
    remarks = {each["file"]: each["remarks"] for each in json.loads(printed.out)["images"] if each["remarks"]}
    dark, pages = "uses only 0 to 4095 of its range and was stretched to be seen", "has 3 pages: page 1 was used"
    assert remarks == {"heat.png": [dark], "scan.tif": [pages]}
    assert printed.err.count(f"heat.png {dark}.") == printed.err.count(f"scan.tif {pages}.") == 1


def test_a_table_and_annotated_copies(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", str(photos / "a.png"), *ASK, "--out", str(tmp_path / "found")]) == 0
    printed = capsys.readouterr()
    document = json.loads((tmp_path / "found" / "detections.json").read_text())
    found = document["images"][0]["found"]
    assert printed.out.splitlines()[0].split() == ["picture", "label", "phrase", "score", "confidence", "x1", "y1", "x2", "y2"]
    assert len(printed.out.splitlines()) == len(found) + 1
    assert document["images"][0]["annotated"] == str(tmp_path / "found" / "a.png")
    assert PIL.Image.open(tmp_path / "found" / "a.png").size == (160, 120)


def test_many_boxes_are_counted_per_picture(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["--prompt", "cat. dog. car", "--box-threshold", "0.05", "--text-threshold", "0"]
    for number in range(6):
        noise = np.random.default_rng(10 + number).integers(0, 255, (6, 8, 3), np.uint8)
        PIL.Image.fromarray(noise).resize((160, 120)).save(photos / f"more{number}.png")
    assert run(["detect", str(photos), *ask]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["picture", "boxes", "labels"]
    assert len(lines) == 10


def test_another_threshold_answers_from_the_cache(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for box in ("0.2", "0.9"):
        assert run(["detect", str(photos), "--prompt", "cat", "--box-threshold", box, "--text-threshold", "0", "--json"]) == 0
        counts.append(sum(len(each["found"]) for each in json.loads(capsys.readouterr().out)["images"]))
    assert counts[0] > counts[1]


def test_the_same_again_loads_no_model(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", str(photos), *ASK, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded for pictures that are all in the cache")

    monkeypatch.setattr("dinolabel.vision.plugins.load_detector", loaded)
    assert run(["detect", str(photos), *ASK, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == first and "ready" in printed.err


def test_a_film_gives_tracks_and_four_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = film(tmp_path / "walk.mp4", [Disc(RED, lambda n: (40 + n, 60))], frames=20, size=(160, 120), sound="aac")
    assert run(["detect", str(source), *ASK, "--every", "5", "--out", str(tmp_path / "found"), "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["film"]["frames"], document["passes"], document["every"]) == (20, 4, 5)
    assert json.loads((tmp_path / "found" / "walk-tracks.json").read_text()) == document
    assert {each.name for each in (tmp_path / "found").iterdir()} >= {"walk-found.mp4", "walk-tracks.csv", "walk-timeline.png"}
    assert all(each["label"] in ("cat", "pet") for each in document["tracks"])
    assert "Look for cat, dog and puppy in walk.mp4" in printed.err
    assert run(["detect", str(source), *ASK]) == 0
    assert "track" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["detect", "song.mp4", "--prompt", "cat"], 3, "no moving pictures"),
        (["detect", "page.mov", "--prompt", "cat"], 3, "no video that we can decode"),
        (["detect", "photos", "--prompt", " . "], 2, "nothing to look for"),
        (["detect", "nowhere", "--prompt", "cat"], 3, "no file or folder nowhere"),
        (["detect", "empty", "--prompt", "cat"], 3, "no pictures in empty"),
        (["detect", "bad", "--prompt", "cat"], 3, "web page"),
        (["detect", "photos", "--prompt", "cat", "--out", "photos"], 2, "holds the pictures themselves"),
        (["detect", "photos", "--prompt", "cat", "--box-threshold", "7"], 2, "box_threshold"),
        (["detect", "photos", "--prompt", "cat", "--weights", "no/such"], 4, "no/such"),
        (["detect", "photos", "--prompt", "cat", "--device", "warp"], 4, "no device 'warp'"),
        (["detect", "photos", "--prompt", "cat", "--bundle", "empty"], 4, "holds no bundle"),
        (["detect", "photos", "--prompt", "cat", "--bundle", "stranger"], 4, "another embedder"),
        (["detect", "photos", "--prompt", "cat", "--bundle", "empty", "--project", "1"], 2, "not both"),
    ],
    ids=lambda each: " ".join(each[3:]) if isinstance(each, list) else "",
)
def test_what_goes_wrong_has_a_sentence_and_a_code(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("<html>")
    (tmp_path / "page.mov").write_text("<html>")
    song(tmp_path / "song.mp4")
    colour_bundle(tom=RED).save(tmp_path / "stranger")
    assert run(arguments) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
