"""Heads that were trained on the class token alone, on the embedded models: served, exported and judged by the embedder of today."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinolabel.training.train import TrainingOptions, TrainingResult, train
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.decoding.pictures import from_pillow
from dinolabel.vision.embedders.dinov2 import build
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Thresholds
from tests import handed
from tests.blobs import LATER, NOW, receipt
from tests.doubles.coloured_things import ThingDetector

CLASS_TOKEN = "6fb72058f1baed5f8b4d5aaeb6082130a8ff7ae48b26db837721c02bee96bfd2"  # of the embedded embedder, as bundles in use have it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("earlier")


@pytest.fixture(scope="module")
def crops(folder: Path) -> Path:
    return handed.export(folder / "crops", 16, seed=1)


@pytest.fixture(scope="module")
def earlier(folder: Path, crops: Path) -> TrainingResult:
    store, cache = BundleStore(folder / "bundles"), Cache(folder / "cache.sqlite", max_mb=50)
    embedder = build(str(NANO_FOLDER / "embedder"), device="cpu", feature="cls")
    return train(crops, TrainingOptions("1", NOW, force=True), embedder=embedder, store=store, cache=cache)


def head(folder: Path, verdict: TrainingResult) -> Bundle:
    return BundleStore(folder / "bundles").get("1", str(verdict.bundle_id))


def shown() -> list[tuple[np.ndarray, Box]]:
    return [next(handed.pictures(name, seed=9)) for name in handed.names()]


def test_its_digest_is_the_one_in_use(folder: Path, earlier: TrainingResult) -> None:
    today = plugins.load_embedder("dinov2", "nano", device="cpu")
    assert head(folder, earlier).embedder_digest == CLASS_TOKEN == today.features[0].digest  # type: ignore[attr-defined]
    assert today.digest != CLASS_TOKEN


def test_it_answers_as_it_did(folder: Path, earlier: TrainingResult, tmp_path: Path) -> None:
    import PIL.Image

    bundle = head(folder, earlier)
    then = Pipeline(ThingDetector(), build(str(NANO_FOLDER / "embedder"), device="cpu", feature="cls"))
    now = Pipeline(ThingDetector(), plugins.load_embedder("dinov2", "nano", device="cpu"), cache=Cache(tmp_path / "new.sqlite", max_mb=8))
    now.check(bundle)
    package = ExportedModel({"car": "thing"}, Thresholds(0.25, 0.2, 0.6), {name: name for name in handed.names()})
    made = save(tmp_path / "model", package, detector=NANO_FOLDER / "detector", embedder=NANO_FOLDER / "embedder", bundle=bundle, readme="")
    packed = Pipeline.load(str(made), device="cpu")
    for pixels, box in shown():
        image = from_pillow(PIL.Image.fromarray(pixels))
        expected = then.embed(image, [box], bundle)
        (answer,) = bundle.answer(expected, [box])
        for each in (now, packed):
            rows = each.embed(image, [box], bundle)
            assert rows == pytest.approx(expected, abs=1e-5)
            (found,) = bundle.answer(rows, [box])
            assert (type(found), [why.id for why in found.because]) == (type(answer), [why.id for why in answer.because])
            assert found.confidence == pytest.approx(answer.confidence, abs=1e-4)


def test_the_next_training_compares_with_it_on_the_same_pictures(folder: Path, crops: Path, earlier: TrainingResult) -> None:
    cache, store = Cache(folder / "cache.sqlite", max_mb=50), BundleStore(folder / "bundles")
    today = plugins.load_embedder("dinov2", "nano", device="cpu")
    told = receipt(train(crops, TrainingOptions("1", LATER), embedder=today, store=store, cache=cache))
    assert told["changed"]["why_not_compared"] is None
    assert told["judged"]["current"]["macro_f1"] == pytest.approx(receipt(earlier)["judged"]["candidate"]["macro_f1"])
    assert {each["over"] for each in told["head"]["competition"]} == {"class token", "class token and mean patch token"}
    again = receipt(train(crops, TrainingOptions("1", LATER), embedder=today, store=store, cache=cache))
    assert again["data"]["embeddings_from_cache"] == again["data"]["views"]
