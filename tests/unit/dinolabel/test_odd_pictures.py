"""Pictures in `data:` addresses and under nested keys, through everything that opens the picture of a task."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.__main__ import run
from dinolabel.backend.inference.inference_queue import InferenceQueue
from dinolabel.backend.inference.predictor import Prediction, PredictionJob, Predictor
from dinolabel.backend.inference.serving_config import ServingConfigs
from dinolabel.backend.payloads import TaskPayload
from dinolabel.projects import preview
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from tests.doubles.annotated import annotation, region, xml
from tests.doubles.coloured_things import ColourSense, ThingDetector, scene
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio


@pytest.fixture
def inline(tmp_path: Path) -> str:
    """A scene of 96 x 96 pixels, in an address."""
    return "data:image/png;base64," + base64.b64encode(scene(tmp_path, 0).read_bytes()).decode()


def data_of(key: str, address: str) -> dict[str, Any]:
    return {"data": {"image": address}} if key == "data.image" else {"image": address}


@pytest.mark.parametrize("key", ["image", "data.image"])
def test_they_get_boxes_and_a_preview(tmp_path: Path, inline: str, key: str) -> None:
    pipeline = Pipeline(ThingDetector(), ColourSense(), cache=Cache(tmp_path / "cache.sqlite", max_mb=16))
    media, recipes = MediaResolver(None, cache_dir=tmp_path / "media"), ServingConfigs(pipeline, BundleStore(tmp_path / "bundles"))
    label_config, data = CONFIG.replace("$image", f"${key}"), data_of(key, inline)
    studio = ScriptedStudio()
    project = studio.add_project(label_config)
    (task,) = studio.add_tasks(project, [""])
    studio._tasks[task].data = data
    recipe = recipes.build(project, label_config, None)
    (made,) = Predictor(media, InferenceQueue(pipeline)).predictions(PredictionJob(recipe), [TaskPayload(task, data)])
    assert isinstance(made, Prediction)
    assert [(each["original_width"], each["original_height"]) for each in made.stored["result"]] == [(96, 96)] * 2
    seen = preview.preview_project(studio, media, pipeline, recipe, [])  # type: ignore[arg-type]
    assert [(each.error, sum(each.boxes.values())) for each in seen.images] == [("", 2)]
    page = seen.save(tmp_path / "preview", title="<b>", link="http://host/?project=1&task={task}").read_text()
    assert "<b>" not in page and "&lt;b&gt;" in page and f'href="http://host/?project=1&amp;task={task}"' in page


@pytest.mark.parametrize("key", ["image", "data.image"])
@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize("what", ["coco", "crops"])
def test_they_are_exported_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: str, key: str, with_config: bool, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    box = region("a", (8, 8, 32, 36), "jason", size=(96, 96))
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": 1, "data": data_of(key, inline), "annotations": [annotation(1, box)]}]))
    (tmp_path / "labels.xml").write_text(xml("jason").replace("$image", f"${key}"))
    (tmp_path / "pictures").mkdir()
    told = ["--label-config", "labels.xml"] if with_config or what == "crops" else []
    assert run(["export", what, "--from", "tasks.json", "--media", "pictures", "--out", "out", *told]) == 0
    pictures = [each for each in (tmp_path / "out").rglob("*") if each.suffix in {".png", ".jpg"}]
    texts = [each.read_text() for each in (tmp_path / "out").rglob("*") if each.suffix in {".json", ".jsonl", ".csv"}]
    assert not any(inline[30:60] in each for each in texts)
    if what == "crops":
        assert [each.parent.name for each in pictures] == ["jason"]
        return
    (picture,) = pictures
    with PIL.Image.open(picture) as opened:
        assert opened.size == (96, 96)
    made = json.loads(next((tmp_path / "out").rglob("*train*.json")).read_text())
    assert [each["bbox"] for each in made["annotations"]] == [pytest.approx([8, 8, 24, 28], abs=0.01)]
