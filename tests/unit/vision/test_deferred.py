"""Models known by a note: not loaded for what the cache knows, loaded once for what it does not, and never believed when they changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import ModelError
from dinolabel.vision.loading.lazy_models import ModelInfoCache, cache_key, lazy_model
from dinolabel.vision.loading.weights import WeightsLocation
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from tests.doubles.coloured_things import ColourSense, ThingDetector, picture


class Loads:
    """Counts, and gives a new model each time."""

    def __init__(self, kind: type, **fields: str) -> None:
        self.count, self._kind, self._fields = 0, kind, fields

    def __call__(self):
        self.count += 1
        made = self._kind()
        for name, value in self._fields.items():
            setattr(made, name, value)
        return made


def test_warm_caches_load_nothing_and_a_new_picture_loads_once(tmp_path: Path) -> None:
    red = ((230, 30, 30), (10, 10, 40, 40))
    known, new, newer = (open_image(picture(tmp_path / f"{name}.png", red)) for name in ("known", "new", "newer"))
    detectors, embedders, cards = Loads(ThingDetector), Loads(ColourSense), ModelInfoCache(tmp_path / "models.json")

    def pipeline() -> Pipeline:
        cache = Cache(tmp_path / "cache.sqlite", max_mb=16)
        return Pipeline(lazy_model(cards, "detector", detectors), lazy_model(cards, "embedder", embedders), cache=cache)

    first = pipeline()
    found = first.predict([known], "thing")
    first.precompute_embeddings([(known, found[0])])
    assert (detectors.count, embedders.count) == (1, 1)

    second = pipeline()
    assert second.predict([known], "thing") == found
    second.precompute_embeddings([(known, found[0])])
    assert (second.detector.name, second.detector.digest, second.embedder.dim) == ("things", "d1", 3)
    assert (detectors.count, embedders.count) == (1, 1), "the cache knew it all"

    assert second.predict([new, newer], "thing")[0]
    assert detectors.count == 2


def test_a_model_that_changed_behind_its_note_is_not_used(tmp_path: Path) -> None:
    cards = ModelInfoCache(tmp_path / "models.json")
    lazy_model(cards, "detector", Loads(ThingDetector))
    changed = lazy_model(cards, "detector", Loads(ThingDetector, digest="d2"))
    image = open_image(picture(tmp_path / "a.png"))
    with pytest.raises(ModelError, match="not what they were"):
        Pipeline(changed, cache=Cache(tmp_path / "cache.sqlite", max_mb=16)).predict([image], "thing")
    assert cards.get("detector") is None


@pytest.mark.parametrize("text", ["", "no json", '{"format": 99, "cards": {"a": {}}}', '{"format": 1, "cards": {"a": {"name": "x"}}}'])
def test_a_damaged_note_costs_a_loading_and_no_more(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.json").write_text(text)
    cards, loads = ModelInfoCache(tmp_path / "models.json"), Loads(ThingDetector)
    lazy_model(cards, "a", loads)
    assert (loads.count, cards.get("a").digest) == (1, "d1")


def test_the_key_follows_files_and_wishes(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    folder = WeightsLocation("detector", "mine", "folder", tmp_path)
    keys = [cache_key(folder, "cpu"), cache_key(folder, "cuda")]
    os.utime(weights, (1, 1))
    keys.append(cache_key(folder, "cpu"))
    weights.write_bytes(b"three")
    keys.append(cache_key(folder, "cpu"))
    assert len(set(keys)) == 4
    assert cache_key(folder, "cpu") == keys[-1]


def test_the_key_of_a_file_follows_it_and_the_settings_beside_it(tmp_path: Path) -> None:
    for name in ("faces.onnx", "faces.json", "other.onnx"):
        (tmp_path / name).write_text("one")
    file = WeightsLocation("embedder", "faces.onnx", "file", tmp_path / "faces.onnx")
    keys = [cache_key(file, "cpu")]
    (tmp_path / "other.onnx").write_text("three")
    assert cache_key(file, "cpu") == keys[0]
    for name in ("faces.onnx", "faces.json"):
        (tmp_path / name).write_text("three")
        keys.append(cache_key(file, "cpu"))
    assert len(set(keys)) == 3
