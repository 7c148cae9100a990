"""Fine-tuning, with the embedded embedder on a task it fails at: learnt, judged, kept in the bundle, served, exported, forgotten."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from safetensors.numpy import load_file

from dinolabel.erasure import heads
from dinolabel.erasure.text_search import Mention
from dinolabel.training.errors import NotEnoughLabels
from dinolabel.training.finetune import tuning
from dinolabel.training.finetune.options import FineTuneOptions
from dinolabel.training.train import TrainingOptions, TrainingResult, train
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.decoding.pictures import from_pillow
from dinolabel.vision.embedders.dinov2 import Dinov2
from dinolabel.vision.errors import BundleMismatch, ModelError
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.loading.feature_slice import features_of
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Crop, Named, Thresholds
from tests import handed
from tests.blobs import LATER, NOW, receipt
from tests.doubles.coloured_things import ThingDetector

EACH = 80
LATEST = "2026-11-22T15:00:00+00:00"


@dataclass
class Place:
    folder: Path
    base: Embedder
    store: BundleStore
    cache: Cache
    frozen: TrainingResult
    tuned: TrainingResult

    @property
    def bundle(self) -> Bundle:
        assert self.tuned.bundle_id is not None
        return self.store.get("1", self.tuned.bundle_id)

    def train(self, folder: Path, now: str, **options: object) -> TrainingResult:
        store = options.pop("store", self.store)
        return train(folder, TrainingOptions("1", now, **options), embedder=self.base, store=store, cache=self.cache)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A frozen head, published by force, and then one on a tuned embedder."""
    folder = tmp_path_factory.mktemp("handed")
    base = plugins.load_embedder("dinov2", "nano", device="cpu")
    store, cache = BundleStore(folder / "bundles"), Cache(folder / "cache.sqlite", max_mb=50)
    crops = handed.export(folder / "crops", EACH, seed=1)
    frozen = train(crops, TrainingOptions("1", NOW, force=True), embedder=base, store=store, cache=cache)
    tuned = train(crops, TrainingOptions("1", LATER, finetune=4), embedder=base, store=store, cache=cache)
    return Place(folder, base, store, cache, frozen, tuned)


def test_it_beats_the_frozen_head_at_the_gate(place: Place) -> None:
    told = receipt(place.tuned)
    assert place.tuned.published, place.tuned.reason
    assert told["judged"]["basis"] == "held out"
    assert told["judged"]["current"]["macro_f1"] + 0.15 < told["judged"]["candidate"]["macro_f1"]
    assert told["judged"]["current"]["macro_f1"] == receipt(place.frozen)["judged"]["candidate"]["macro_f1"]  # the same held-out groups
    assert told["finetuning"]["used"] and told["finetuning"]["macro-F1 tuned"] > told["finetuning"]["macro-F1 frozen"]
    assert "Fine-tuning" in place.tuned.receipt.with_name("receipt.html").read_text()
    assert (told["learning"]["curve"], told["learning"]["why_none"]) == ([], "the embedder was tuned on these crops")
    assert {each["over"] for each in told["head"]["competition"]} == {"class token"}
    assert {each["over"] for each in receipt(place.frozen)["head"]["competition"]} == {"class token", "class token and mean patch token"}


def test_the_bundle_brings_its_embedder(place: Place) -> None:
    own = place.bundle.own
    assert own is not None and own.folder is not None
    loaded = plugins.load_embedder(own.plug, str(own.folder), device="cpu", precision="float32")
    first = features_of(loaded)[0]  # the class token is what was tuned
    assert (first.digest, first.width, loaded.name) == (place.bundle.embedder_digest, own.dim, place.bundle.embedder_name)
    assert first.digest not in {each.digest for each in features_of(place.base)} and own.began_as == place.base.digest
    held_out = receipt(place.tuned)["judged"]["candidate"]["objects"]
    assert 0 < len(own.objects) < 4 * EACH - held_out  # neither what is held out nor what ended the tuning


def test_what_it_was_not_shown_is_named_through_the_pipeline(place: Place) -> None:
    pipeline = Pipeline(ThingDetector(), place.base, cache=place.cache)
    pipeline.check(place.bundle)
    right = []
    for name in handed.names():
        for pixels, box in itertools.islice(handed.pictures(name, seed=99), 8):
            image = from_pillow(PIL.Image.fromarray(pixels))
            (answer,) = place.bundle.answer(pipeline.embed(image, [box], place.bundle), [box])
            right.append(isinstance(answer, Named) and answer.label == name)
    assert np.mean(right) > 0.7
    pipeline.embedder = None  # from the cache, and with its own embedder: nobody else's is asked
    assert pipeline.embed(image, [box], place.bundle).shape == (1, features_of(place.base)[0].width)


def test_weights_that_were_changed_are_refused(place: Place, tmp_path: Path) -> None:
    place.bundle.save(tmp_path / "copy")
    path = tmp_path / "copy" / "embedder" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # the copy shares its file with the store
    path.write_bytes(content)
    changed = Bundle.load(tmp_path / "copy")
    (pixels, box) = next(handed.pictures(handed.names()[0], seed=5))
    pipeline = Pipeline(ThingDetector(), place.base)
    with pytest.raises(ModelError, match="not what they were"):
        pipeline.embed(from_pillow(PIL.Image.fromarray(pixels)), [box], changed)
    path.unlink()
    (tmp_path / "copy" / "embedder").rename(tmp_path / "gone")
    with pytest.raises(BundleMismatch, match="missing"):
        Pipeline(ThingDetector(), place.base).check(Bundle.load(tmp_path / "copy"))


def test_an_exported_model_takes_it_along(place: Place, tmp_path: Path) -> None:
    package = ExportedModel({"car": "thing"}, Thresholds(0.25, 0.2, 0.6), {name: name for name in handed.names()})
    made = save(
        tmp_path / "model", package, detector=NANO_FOLDER / "detector", embedder=NANO_FOLDER / "embedder", bundle=place.bundle, readme=""
    )
    assert not (made / "embedder").exists() and (made / "bundle" / "embedder").is_dir()
    packed = Pipeline.load(str(made), device="cpu")
    (pixels, box) = next(handed.pictures(handed.names()[1], seed=6))
    image = from_pillow(PIL.Image.fromarray(pixels))
    here = Pipeline(ThingDetector(), place.base).embed(image, [box], place.bundle)
    assert np.allclose(packed.embed(image, [box], packed.bundle), here, atol=1e-5)


def test_forgetting_finds_who_only_the_embedder_knew(place: Place) -> None:
    gone = heads.holding(place.store, "1", Mention(["nobody"]), sorted(place.bundle.own.objects)[:1], np.zeros((0, 0), np.float32))  # type: ignore[union-attr]
    assert place.tuned.bundle_id in gone


def test_later_trainings_go_on_with_it_and_zero_undoes_it(place: Place) -> None:
    more = handed.export(handed.export(place.folder / "more", EACH, seed=1), 8, seed=2, first=4 * EACH)
    later = place.train(more, LATEST)
    told = receipt(later)
    assert told["head"]["embedder_digest"] == place.bundle.embedder_digest
    assert told["judged"]["candidate"]["macro_f1"] > told["judged"]["current"]["macro_f1"] - 0.1
    undone = place.train(more, LATEST, finetune=0)
    assert not undone.published and "It would lose" in undone.reason
    assert receipt(undone)["head"]["embedder_digest"] == place.base.digest


def test_same_seed_same_weights_and_only_the_last_blocks(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "EPOCHS", 1)
    crops = [
        Crop(cut(pixels, box, handed.POLICY).pixels) for pixels, box in itertools.islice(handed.pictures(handed.names()[0], seed=7), 24)
    ]
    truth, left_out = np.arange(24) % 2, np.arange(24) >= 20
    assert isinstance(place.base, Dinov2)
    for name in ("one", "two"):
        tuning.tune(place.base, crops, truth, left_out, FineTuneOptions(1, tmp_path / name, 3))
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    before, after = load_file(place.base.folder / "model.safetensors"), load_file(tmp_path / "one" / "model.safetensors")
    changed = {name for name in after if not np.allclose(before[name].astype(np.float32), after[name], atol=1e-7)}
    assert changed <= {name for name in after if name.startswith(("encoder.layer.3.", "layernorm."))}


def test_it_says_what_is_missing(place: Place, tmp_path: Path) -> None:
    few = handed.export(tmp_path / "few", 4, seed=3)
    with pytest.raises(NotEnoughLabels, match="Fine-tuning needs two names") as caught:
        place.train(few, NOW, finetune=2, store=BundleStore(tmp_path / "bundles"))
    assert set(caught.value.missing) == set(handed.names())
