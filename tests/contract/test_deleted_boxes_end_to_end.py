"""What a reviewer keeps deleting is not sent any more: prediction, deletion in Label Studio, export, training, bundle, prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.backend.inference.inference_queue import InferenceQueue
from dinolabel.backend.inference.predictor import Prediction, PredictionJob, Predictor
from dinolabel.backend.inference.serving_config import ServingConfigs
from dinolabel.backend.payloads import TaskPayload
from dinolabel.detect import images as looking
from dinolabel.detect.inputs import Input
from dinolabel.exporters.formats.crops import export
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.bundles.suppression import is_probe
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box
from tests.doubles.coloured_things import BLUE, GREEN, RED, ColourSense, FolderMedia, ThingDetector, picture
from tests.doubles.scripted_studio import CONFIG

COLOURS = {"jason": RED, "lacy": GREEN, "a stranger": BLUE}


def photo(folder: Path, number: int) -> Path:
    """A jason, a lacy and a stranger, each a little different every time."""
    shade = number % 20
    things = [(min(255, r + shade), min(255, g + shade), min(255, b + shade)) for r, g, b in COLOURS.values()]
    left = 4 + number % 40
    placed = ((drawn, (left, 4 + 30 * at, left + 24, 28 + 30 * at)) for at, drawn in enumerate(things))
    path = picture(folder / f"{number}.png", *placed)
    pixels = np.asarray(PIL.Image.open(path)).copy()
    # a background of its own, grey for the detector's sake: pictures that look alike would count as one scene
    greys = np.kron(np.random.default_rng(number).integers(0, 250, (6, 6), dtype=np.uint8), np.ones((16, 16), np.uint8))
    white = pixels.min(axis=2) == 255
    pixels[white] = greys[white][:, None]
    PIL.Image.fromarray(pixels).save(path)
    return path


class Loop:
    """The rooms in a row, on one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.photos = root, root / "photos"
        self.photos.mkdir()
        self.cache = Cache(root / "cache.sqlite", max_mb=16)
        self.pipeline = Pipeline(ThingDetector(), ColourSense(), cache=self.cache)
        self.store = BundleStore(root / "bundles")
        self.config = LabelConfig.parse(CONFIG)

    def ask(self, numbers: range, bundle_id: str | None = None) -> list[Prediction]:
        recipe = ServingConfigs(self.pipeline, self.store).build(1, CONFIG, bundle_id)
        tasks = [TaskPayload(number + 1, {"image": f"/{photo(self.photos, number).name}"}) for number in numbers]
        made = list(Predictor(FolderMedia(self.photos), InferenceQueue(self.pipeline)).predictions(PredictionJob(recipe), tasks))
        return [each for each in made if isinstance(each, Prediction)]

    def review(self, prediction: Prediction) -> dict[str, Any]:
        """As a person leaves it: the first two named, the third deleted."""
        kept = json.loads(json.dumps(prediction.stored["result"][:2]))
        for region, name in zip(kept, COLOURS, strict=False):
            region |= {"origin": "prediction-changed"}
            region["value"]["rectanglelabels"] = [name]
        shown = {"id": prediction.task, **prediction.stored}
        done = {"id": prediction.task, "completed_by": 1, "was_cancelled": False, "lead_time": 3.0, "updated_at": "2026-11-22T11:00:00Z"}
        done |= {"result": kept, "parent_prediction": prediction.task, "prediction": shown}
        return {"id": prediction.task, "data": {"image": f"{prediction.task - 1}.png"}, "annotations": [done]}

    def learn(self, predictions: list[Prediction]) -> str:
        manifest = self.root / "export"
        report = export(map(self.review, predictions), self.config, manifest, open_image=lambda value: open_image(self.photos / str(value)))
        assert report.rejected == len(predictions)
        now = "2026-11-22T12:00:00+00:00"
        verdict = train(manifest, TrainingOptions("1", now), embedder=ColourSense(), store=self.store, cache=self.cache)
        assert verdict.published and verdict.bundle_id
        return verdict.bundle_id


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


def test_strangers_are_not_sent_once_they_were_deleted_often_enough(loop: Loop) -> None:
    before = loop.ask(range(16))
    assert [len(each.stored["result"]) for each in before] == [3] * 16
    assert sum(each.suppressed for each in before) == 0

    bundle_id = loop.learn(before)
    after = loop.ask(range(100, 160), bundle_id)
    names = [region["value"]["rectanglelabels"][0] for each in after for region in each.stored["result"]]
    assert names.count("jason") == names.count("lacy") == 60  # no true one lost
    assert 1 <= names.count("thing") <= 10  # one in twenty comes back, under its generic label
    assert sum(each.suppressed for each in after) == 60 - names.count("thing")


def test_detect_counts_them_and_shows_the_others(loop: Loop) -> None:
    bundle = loop.store.get("1", loop.learn(loop.ask(range(16))))
    numbers = [each for each in range(200, 240) if not is_probe(_key(loop, each), _stranger(each))][:5]
    pictures = [Input(path.name, path) for path in (photo(loop.photos, each) for each in numbers)]
    seen = list(looking.detect_images(pictures, lambda images: loop.pipeline.predict(images, "coloured thing", bundle), at_once=2))
    assert [each.suppressed for each in seen] == [1] * 5
    rows = [looking.entry(each, {})["found"] for each in seen]
    assert all({each["label"] for each in row} == {"jason", "lacy"} for row in rows)
    assert all(each["because"] and each["because"][0]["label"] == each["label"] for row in rows for each in row)


def _key(loop: Loop, number: int) -> str:
    return open_image(photo(loop.photos, number)).key


def _stranger(number: int) -> Box:
    left = 4 + number % 40
    return Box(left, 64, left + 24, 88)
