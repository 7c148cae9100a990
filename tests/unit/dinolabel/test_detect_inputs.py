"""`dinolabel detect` on several paths, addresses, exported models and projects, on tiny random weights."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.heads import prototype
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import CropPolicy, Thresholds
from tests.doubles.drawn_films import Disc, film
from tests.doubles.scripted_models import RED, colour_bundle
from tests.doubles.scripted_studio import ScriptedStudio

LOW = ["--box-threshold", "0.2", "--text-threshold", "0.05"]
ASK = ["--prompt", "cat", *LOW]

pytestmark = pytest.mark.usefixtures("tiny_settings")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(("x/a.png", "y/a.png", "y/b.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        PIL.Image.fromarray(noise).resize((160, 120)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path: Path, tiny_weights: Path, photos: Path) -> Path:
    """An exported folder whose head calls everything felix, which is shown as Felix the cat."""
    pipeline = Pipeline.load(str(tiny_weights / "detector"), str(tiny_weights / "embedder"), device="cpu", thresholds=Thresholds(0.2, 0.05))
    image = open_image(photos / "x" / "a.png")
    row = pipeline.embed(image, [pipeline.predict([image], "cat")[0][0].box])
    assert pipeline.embedder is not None
    rows = np.concatenate([row, -row])
    built = prototype.build().fit(rows, ["felix", "tom"])
    head = Bundle(
        labels=built.labels, head_name="prototype", arrays=built.arrays(), temperature=1.0, accept_threshold=0.0, distance_threshold=2.0,
        references=rows, reference_labels=("felix", "tom"), reference_ids=("1", "2"),
        embedder_name=pipeline.embedder.name, embedder_digest=pipeline.embedder.digest, policy=CropPolicy(min_side=1),
        created_at="2026-11-22T12:00:00Z",
    )  # fmt: skip
    package = ExportedModel({"cat": "pet", "dog": "pet"}, Thresholds(0.2, 0.05, 0.6), {"felix": "Felix the cat"}, version="tiny.abc")
    return save(
        tmp_path / "my-cats", package, detector=tiny_weights / "detector", embedder=tiny_weights / "embedder", bundle=head, readme="Hi\n"
    )


def documented(arguments: list[str], capsys: pytest.CaptureFixture[str], *, code: int = 0) -> dict[str, Any]:
    assert run(["detect", *arguments, "--json"]) == code
    return dict(json.loads(capsys.readouterr().out))


def test_several_paths_are_one_run(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["photos/x/a.png", "photos/y", "photos/*/a.png", "gone.jpg", *ASK, "--out", "found"]
    document = documented(arguments, capsys)
    assert [each["file"] for each in document["images"]] == ["x/a.png", "y/a.png", "y/b.png"]
    assert [(each["file"], each["hint"]) for each in document["failed"]] == [("gone.jpg", "Check the path.")]
    assert [each["annotated"] for each in document["images"]] == ["found/x/a.png", "found/y/a.png", "found/y/b.png"]
    assert all(Path(each["annotated"]).is_file() for each in document["images"])
    assert json.loads((tmp_path / "found" / "detections.json").read_text()) == document


def test_films_among_pictures(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("walk.mp4", "walk.mov"):
        film(photos / name, [Disc(RED, lambda n: (40 + n, 60))], frames=8, size=(160, 120))
    (photos / "page.mp4").write_text("<html>")
    arguments = ["photos/x/a.png", "photos/walk.mp4", "photos/page.mp4", "photos/walk.mov", *ASK, "--out", "found"]
    document = documented(arguments, capsys)
    assert [each["file"] for each in document["images"]] == ["x/a.png"]
    assert [each["film"]["file"] for each in document["films"]] == ["walk.mp4", "walk.mov"]
    assert [each["file"] for each in document["failed"]] == ["page.mp4"]
    assert json.loads((tmp_path / "found" / "walk-tracks.json").read_text()) == document["films"][0]
    assert json.loads((tmp_path / "found" / "walk-2-tracks.json").read_text()) == document["films"][1]
    assert json.loads((tmp_path / "found" / "detections.json").read_text()) == document
    assert run(["detect", "photos/page.mp4", "photos/gone.mp4", *ASK]) == 3
    assert run(["detect", "photos/walk.mp4", "photos/x", *ASK, "--out", "boxes.parquet"]) == 2


@pytest.fixture
def web(photos: Path) -> Iterator[str]:
    (photos / "login.png").write_text("<html>")
    film(photos / "walk.mp4", [Disc(RED, lambda n: (40 + n, 60))], frames=8, size=(160, 120))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Not among what the tests print."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(photos)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_addresses_of_listed_hosts_are_fetched(web: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["detect", f"{web}/x/a.png", *ASK]) == 3
    refused = " ".join(capsys.readouterr().err.split())
    assert "Pictures are not fetched from 127.0.0.1" in refused and "DINOLABEL_MEDIA_HOSTS=127.0.0.1" in refused
    monkeypatch.setenv("DINOLABEL_MEDIA_HOSTS", web.removeprefix("http://"))
    arguments = [f"{web}/{each}" for each in ("x/a.png?token=secret", "gone.png", "login.png", "walk.mp4")]
    document = documented([*arguments, "photos/x/a.png", *ASK, "--out", "found"], capsys)
    host = web.removeprefix("http://").replace(":", "_")
    assert [each["file"] for each in document["images"]] == [f"{host}/x/a.png", "a.png"]
    assert document["images"][0]["found"] == document["images"][1]["found"]
    assert Path(f"found/{host}/x/a.png").is_file() and Path(f"found/{host}/walk-found.mp4").is_file()
    assert [each["film"]["file"] for each in document["films"]] == [f"{host}/walk.mp4"]
    assert [each["file"] for each in document["failed"]] == [f"{host}/gone.png", f"{host}/login.png"]
    assert "404" in document["failed"][0]["error"] and "web page" in document["failed"][1]["error"]
    assert "secret" not in json.dumps(document)
    assert documented([f"{web}/walk.mp4", *ASK], capsys)["film"]["file"] == "walk.mp4"


def test_an_exported_model_brings_words_thresholds_and_names(photos: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = documented(["photos", "--model", "my-cats"], capsys)
    found = [box for each in document["images"] for box in each["found"]]
    assert document["prompt"] == {"cat": "pet", "dog": "pet"}
    assert document["thresholds"] == {"box": 0.2, "text": 0.05, "nms_iou": 0.6}
    assert (document["model_version"], document["weights"]["detector"]) == ("tiny.abc", "my-cats")
    assert "Felix the cat" in {each["label"] for each in found} <= {"Felix the cat", "pet"}, "tom is not in the label config"
    ours = Pipeline.load(str(model), device="cpu")(photos / "x" / "a.png")
    first = document["images"][0]["found"]
    assert [(each["label"], each["box"]) for each in first] == [(each.label, list(each.box.xyxy)) for each in ours]
    assert len(found) > sum(
        len(each["found"]) for each in documented(["photos", "--model", "my-cats", "--box-threshold", "0.9"], capsys)["images"]
    )
    assert documented(["photos", "--model", str(model), "--prompt", "Katze=cat", *LOW], capsys)["prompt"] == {"cat": "Katze"}


def test_a_film_is_named_by_an_exported_model(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = film(tmp_path / "walk.mp4", [Disc(RED, lambda n: (40 + n, 60))], frames=40, size=(160, 120))
    document = documented([str(source), "--model", "my-cats", "--every", "5"], capsys)
    assert document["tracks"] and {each["label"] for each in document["tracks"]} <= {"Felix the cat", "pet"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--weights", "my-cats", "--prompt", "cat"], 4, "--model my-cats"),
        (["--bundle", "my-cats", "--prompt", "cat"], 2, "--model my-cats"),
        (["--model", "my-cats", "--weights", "nano"], 2, "brings its own weights"),
        (["--model", "my-cats", "--project", "1"], 2, "Two heads were named"),
        (["--model", "photos"], 2, "no exported model"),
        (["--model", "nowhere"], 2, "no folder nowhere"),
        (["--model", "my-cats", "--box-threshold", "7"], 2, "box_threshold"),
        ([], 2, '--prompt "human face"'),
        (["--project", "1"], 2, "no Label Studio to ask"),
        (["--project", "party"], 2, "learnt from videos"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_goes_wrong_says_what_to_type(
    photos: Path, model: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(["detect", "photos", *arguments]) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_setting_that_names_an_exported_model_says_so(
    photos: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOLABEL_DETECTOR_WEIGHTS", str(model))
    assert run(["detect", "photos", "--prompt", "cat"]) == 4
    assert "is an exported model" in " ".join(capsys.readouterr().err.split())


CONFIG = """<View><Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image" model_box_threshold="0.2" model_text_threshold="0.05">
    <Label value="Pet" predicted_values="cat,dog"/><Label value="Tom"/>
  </RectangleLabels></View>"""


def test_a_project_brings_its_words(photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    studio = ScriptedStudio()
    number = studio.add_project(CONFIG, title="Pets")
    monkeypatch.setattr(factory, "studio", lambda settings: studio)
    document = documented(["photos", "--project", str(number)], capsys)
    assert document["prompt"] == {"cat": "Pet", "dog": "Pet"}
    assert document["thresholds"] == {"box": 0.2, "text": 0.05, "nms_iou": 0.6}
    assert any(each["found"] for each in document["images"])
    assert documented(["photos", "--project", str(number), "--box-threshold", "0.9"], capsys)["thresholds"]["box"] == 0.9
    assert run(["detect", "photos", "--project", str(number), *ASK]) == 2
    assert "has no head yet" in capsys.readouterr().err


def test_a_head_of_another_embedder_is_refused_by_name(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour_bundle(tom=RED).save(tmp_path / "stranger")
    assert run(["detect", "photos/x", "photos/y", *ASK, "--bundle", "stranger"]) == 4
