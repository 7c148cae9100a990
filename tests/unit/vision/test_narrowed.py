"""Heads of fewer features on an embedder of more: the same answers, from earlier caches and from new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.decoding.pictures import Image, from_pillow
from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.loading.feature_slice import Feature, SlicedEmbedder, features_of, slice_for
from dinolabel.vision.loading.lazy_models import ModelInfoCache, lazy_model
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings
from tests.doubles.scripted_models import BLUE, GREEN, RED, ColourEmbedder, ScriptedDetector, colour_bundle
from tests.fixtures.make_data_folder import BOXES, drawn

PLACES = [Box(*BOXES[colour]) for colour in (RED, BLUE, GREEN)]


class MoreColours(ColourEmbedder):
    """The same four columns, and two more of the crop's size."""

    digest = "more"
    dim = 6
    features = (Feature("colour", 4, ColourEmbedder.digest), Feature("colour and size", 6, digest))

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        sizes = np.array([each.pixels.shape[:2] for each in crops], np.float32) / 100
        rows = np.concatenate([super().embed(crops), sizes], axis=1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def image() -> Image:
    return from_pillow(drawn())


def test_an_embedder_of_one_feature_is_that_feature() -> None:
    plain = ColourEmbedder()
    (feature,) = features_of(plain)
    assert (feature.width, feature.digest) == (plain.dim, plain.digest)
    assert slice_for(plain, plain.digest) is plain and slice_for(plain, "other") is plain


def test_a_feature_of_it_gives_what_its_own_embedder_would(image: Image) -> None:
    whole = MoreColours()
    part = slice_for(whole, ColourEmbedder.digest)
    assert isinstance(part, SlicedEmbedder) and slice_for(whole, whole.digest) is whole
    crops = [plain(colour) for colour in (RED, GREEN)]
    assert (part.digest, part.dim, part.name, features_of(part)[-1].digest) == (ColourEmbedder.digest, 4, whole.name, part.digest)
    assert part.embed(crops) == pytest.approx(ColourEmbedder().embed(crops), abs=1e-6)
    assert part.of(np.zeros((0, 6), np.float32)).shape == (0, 4)


def test_an_earlier_head_answers_as_it_did_and_whole_rows_are_kept(image: Image, tmp_path: Path) -> None:
    head, cache = colour_bundle(tom=RED, ann=BLUE), Cache(tmp_path / "cache.sqlite", max_mb=8)
    before = Pipeline(ScriptedDetector(), ColourEmbedder(), cache=cache)
    expected = head.answer(before.embed(image, PLACES, head), PLACES)
    asked = MoreColours()
    now = Pipeline(ScriptedDetector(), asked, cache=cache)
    now.check(head)
    assert head.answer(now.embed(image, PLACES, head), PLACES) == expected
    assert asked.batches == [], "the earlier cache knew them"
    moved = [Box(each.x1 + 4, each.y1 + 4, each.x2 - 4, each.y2 - 4) for each in PLACES]
    rows = now.embed(image, [*PLACES, *moved], head)
    assert rows.shape == (6, 4)
    assert rows[3:] == pytest.approx(ColourEmbedder().embed([plain(colour) for colour in (RED, BLUE, GREEN)]), abs=1e-6)
    assert now.embed(image, moved).shape == (3, 6)
    assert now.embed(image, moved, head) == pytest.approx(rows[3:])
    assert asked.batches == [3], "what was embedded for the earlier head is there for the next training"


def test_another_embedder_is_refused_as_ever(image: Image) -> None:
    whole = MoreColours()
    head = colour_bundle(tom=RED)
    other = Pipeline(ScriptedDetector(), whole, policy=CropPolicy(margin=0.5))
    with pytest.raises(BundleMismatch, match="crops cut by"):
        other.check(head)
    object.__setattr__(head, "embedder_digest", "another")
    with pytest.raises(BundleMismatch, match="another embedder"):
        Pipeline(ScriptedDetector(), whole).check(head)


def test_a_note_knows_the_features(tmp_path: Path) -> None:
    cards = ModelInfoCache(tmp_path / "models.json")
    lazy_model(cards, "embedder", MoreColoursLoaded)
    again = lazy_model(cards, "embedder", lambda: pytest.fail("it was loaded"))
    assert features_of(again) == MoreColours.features  # type: ignore[arg-type]
    assert isinstance(slice_for(again, ColourEmbedder.digest), SlicedEmbedder)  # type: ignore[arg-type]


class MoreColoursLoaded(MoreColours):
    weights, device, precision = "colours", "cpu", "float32"


def plain(colour: tuple[int, int, int]) -> Crop:
    return Crop(np.full((30, 30, 3), colour, np.uint8))
