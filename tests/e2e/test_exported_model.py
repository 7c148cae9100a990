"""A trained project leaves Label Studio: the exported folder answers `POST /v1/detect` with the boxes and names that Label Studio shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from dinolabel import __main__, factory
from dinolabel.settings import Settings
from dinolabel.studio.client import LabelStudio
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.heads import linear
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, CropPolicy
from tests.e2e import started
from tests.e2e.conftest import Server
from tests.e2e.started import ROOT, SCENES, until
from tests.waiting import until_in_step

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CONFIG = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image" model_box_threshold="0.25" model_text_threshold="0.2">
    <Label value="cat" predicted_values="cat face, kitty"/>
    <Label value="felix"/>
    <Label value="tom"/>
  </RectangleLabels>
</View>
"""
TAUGHT, SHOWN = slice(24, None), [2, 9, 20]  # of the demo's scenes; of each shape and size one is shown that was not taught
CLOSE = 0.5  # pixels


def trained(pipeline: Pipeline) -> Bundle:
    """A linear head of what people named in the demo's other scenes; so choosy that it does not know every cat."""
    rows, names = [], []
    for image in json.loads((SCENES / "truth.json").read_text())["images"][TAUGHT]:
        cats = [each for each in image["objects"] if each["identity"]]
        rows.append(pipeline.embed(open_image(SCENES / image["file"]), [Box(*each["box"]) for each in cats]))
        names += [each["identity"] for each in cats]
    taught = np.concatenate(rows)
    head = linear.build().fit(taught, names)
    assert pipeline.embedder is not None
    return Bundle(
        labels=head.labels, head_name="linear", arrays=head.arrays(), temperature=1.0, accept_threshold=0.6, distance_threshold=2.0,
        references=taught[:40], reference_labels=tuple(names[:40]), reference_ids=tuple(map(str, range(len(names[:40])))),
        embedder_name=pipeline.embedder.name, embedder_digest=pipeline.embedder.digest, policy=CropPolicy(),
        created_at="2026-11-22T12:00:00+00:00", trained_on={name: names.count(name) for name in head.labels},
    )  # fmt: skip


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """`dinolabel serve --model` as on another machine: nothing is known of Label Studio. Yields its address."""
    command = [sys.executable, "-m", "dinolabel", "serve", "--model", str(folder), "--port", "0"]
    environment = started.environment(log.parent / "elsewhere", DINOLABEL_DEVICE="cpu")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
    try:

        def address() -> str | None:
            assert process.poll() is None, log.read_text()
            found = re.search(r"Serving at (http://127\.0\.0\.1:\d+)", log.read_text())
            return found and found[1]

        yield until(address, seconds=300, what=log.read_text)
    finally:
        process.terminate()
        process.wait(60)


def drawn(region: dict[str, Any]) -> dict[str, Any]:
    """As Label Studio draws it: percent of the picture's sides."""
    value, width, height = region["value"], region["original_width"] / 100, region["original_height"] / 100
    x, y = value["x"] * width, value["y"] * height
    corners = [x, y, x + value["width"] * width, y + value["height"] * height]
    return {"label": value["rectanglelabels"][0], "score": region["score"], "box": corners}


def answered(row: dict[str, Any]) -> dict[str, Any]:
    return {"label": row["label"], "score": row["score"] if row["confidence"] is None else row["confidence"], "box": row["box"]}


@pytest.mark.skipif(not started.NANO_HERE, reason="the embedded weights are not here")
def test_the_exported_folder_answers_what_label_studio_shows(
    studio: LabelStudio, studio_server: Server, project_of: Callable[[str], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"DINOLABEL_DETECTOR_WEIGHTS": "nano", "DINOLABEL_EMBEDDER_WEIGHTS": "nano", "DINOLABEL_DEVICE": "cpu"}
    joined = {"DINOLABEL_STUDIO_URL": studio_server.url, "DINOLABEL_STUDIO_TOKEN": studio_server.token}
    for name, value in started.environment(tmp_path / "data", **weights, **joined).items():
        monkeypatch.setenv(name, value)
    project = project_of(CONFIG)
    studio.tasks.upload_images(project, [SCENES / f"scene-{number:03}.jpg" for number in SHOWN])
    settings = Settings.load()
    pipeline = factory.pipeline(settings)
    service = factory.service(settings, models=pipeline)
    factory.projects(settings).add(project, weights=("nano", "nano"))
    factory.store(settings).publish(str(project), trained(pipeline))
    until_in_step(service, project)
    service.stop()
    assert __main__.run(["models", "export", str(tmp_path / "cats"), "--project", str(project)]) == 0

    version, labels = studio.projects.get(project).model_version, []
    (tmp_path / "there").mkdir()
    folder = (tmp_path / "cats").rename(tmp_path / "there" / "cats")
    with serving(folder, tmp_path / "log") as address:
        for row in studio.tasks.list(project):
            (shown,) = [each for each in studio.tasks.get(row.id)["predictions"] if each["model_version"] == version]
            picture = requests.get(
                studio_server.url + row.data["image"], headers={"Authorization": f"Token {studio_server.token}"}, timeout=60
            )
            answer = requests.post(address + "/v1/detect", files={"image": ("a.jpg", picture.content)}, timeout=300)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model_version"] == version
            compared(list(map(drawn, shown["result"])), list(map(answered, answer.json()["results"][0]["found"])))
            labels += [each["value"]["rectanglelabels"][0] for each in shown["result"]]
    assert set(labels) >= {"felix", "tom"} and len(labels) >= 5, f"too little is shown to compare anything: {labels}"


def compared(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    """Each region has its own found box, and the other way round."""
    assert len(ours) == len(theirs)
    for region in theirs:
        same = [
            each for each in ours if each["label"] == region["label"] and np.abs(np.subtract(each["box"], region["box"])).max() <= CLOSE
        ]
        assert len(same) == 1, (region, ours)
        assert same[0]["score"] == pytest.approx(region["score"], abs=1e-3)
