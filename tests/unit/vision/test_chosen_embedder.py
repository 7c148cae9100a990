"""An embedder that a project chose for itself: beside that of the settings, never mixed with it, and known to the heads it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dinolabel.studio.label_configs.edit import set_embedder
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.errors import BundleMismatch, RequestError
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings, Image
from tests.doubles.scripted_models import GREEN, RED, ColourEmbedder, ScriptedDetector, colour_bundle, seen

PICTURE = Image.from_array(np.random.default_rng(5).integers(0, 256, (120, 160, 3), dtype=np.uint8))
BOX = Box(40, 30, 90, 80)


class WideEmbedder(ColourEmbedder):
    """Another embedder, that finds its weights by itself: colours, the other way round."""

    name, digest, plug = "wide", "f" * 64, "wide"

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        return super().embed(crops)[:, ::-1].copy()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> WideEmbedder:
    """As a plug `wide` with a margin of its own."""
    made = WideEmbedder()
    usual = plugins.crop_policy
    monkeypatch.setattr(plugins, "check_choice", lambda plug: None)
    monkeypatch.setattr(plugins, "load_embedder", lambda plug, weights: {"wide": made}[plug])
    monkeypatch.setattr(plugins, "crop_policy", lambda plug, weights="": CropPolicy(margin=1.0) if plug == "wide" else usual(plug, weights))
    return made


def test_rows_of_two_embedders_are_kept_apart(wide: WideEmbedder, tmp_path: Path) -> None:
    pipeline = Pipeline(ScriptedDetector(), ColourEmbedder(), cache=Cache(tmp_path / "cache.sqlite", max_mb=16))
    usual, chosen = pipeline.embed(PICTURE, [BOX]), pipeline.embed(PICTURE, [BOX], chosen="wide")
    assert not np.array_equal(usual, chosen)
    assert np.array_equal(pipeline.embed(PICTURE, [BOX]), usual)
    asked = list(wide.batches)
    assert np.array_equal(pipeline.embed(PICTURE, [BOX], chosen="wide"), chosen) and wide.batches == asked
    assert pipeline.policy_for(None, "wide").margin == 1.0 and pipeline.policy_for(None).margin == 0.2


def trained(embedder: ColourEmbedder, policy: CropPolicy, plug: str = "") -> Bundle:
    """A head of two colours over this embedder."""
    usual = colour_bundle(tom=RED, felix=GREEN)
    rows = np.concatenate([seen(RED), seen(GREEN)])
    return replace(usual, references=rows, embedder_name=embedder.name, embedder_digest=embedder.digest, policy=policy, embedder_plug=plug)


def test_a_head_is_served_with_the_embedder_that_it_was_trained_on(wide: WideEmbedder, tmp_path: Path) -> None:
    """Whatever the project or the settings choose now; and it says so after a trip to disk."""
    usual = ColourEmbedder()
    pipeline = Pipeline(ScriptedDetector(), usual)
    old, new = trained(usual, CropPolicy()), trained(wide, CropPolicy(margin=1.0), "wide")
    new.save(tmp_path / "head")
    again = Bundle.load(tmp_path / "head")
    assert again.embedder_plug == "wide" and again.digest == new.digest and again.goes_along and not old.goes_along
    pipeline.check(old)
    pipeline.check(again)
    assert pipeline.embedder_for(old) is usual and pipeline.embedder_for(again) is wide
    with pytest.raises(BundleMismatch):
        pipeline.check(trained(wide, CropPolicy(margin=1.0)))  # it does not say which embedder that was


def test_the_pipelines_own_is_not_loaded_twice(wide: WideEmbedder) -> None:
    own = WideEmbedder()
    pipeline = Pipeline(ScriptedDetector(), own, policy=CropPolicy(margin=1.0))
    assert pipeline.embedder_for(None, "wide") is own
    pipeline.check(trained(own, CropPolicy(margin=1.0), "wide"))


def test_a_label_config_chooses() -> None:
    xml = build({"human face": "face"}, ["jason"], embedder="faces")
    assert LabelConfig.parse(xml).embedder == "faces" and not LabelConfig.parse(xml).unheeded
    plain = build({"human face": "face"}, ["jason"])
    assert LabelConfig.parse(plain).embedder == ""
    assert LabelConfig.parse(set_embedder(plain, "faces")).embedder == "faces"
    assert any("'faces'" in line for line in LabelConfig.parse(xml).explain())


def test_it_is_chosen_beside_a_label_config_that_stays_as_it_is() -> None:
    """Without a word about its labels these mean what they meant."""
    for xml in (build({"human face": "face"}, ["jason"]), '<View><RectangleLabels name="l" toName="i"><Label value="cat"/>'
                '</RectangleLabels><Image name="i" value="$image"/></View>'):  # fmt: skip
        before, roles = LabelConfig.parse(xml), LabelRoles(embedder="faces")
        after = LabelConfig.parse(xml, roles=roles)
        assert after.embedder == "faces"
        assert (after.learnt, after.prompt_map, after.generic) == (before.learnt, before.prompt_map, before.generic)
    assert LabelRoles.from_json({"prompt": {}, "learn": None, "embedder": "faces"}) == LabelRoles(embedder="faces")
    assert LabelRoles.of({}, None, ["face"]) is None and not LabelRoles(embedder="faces").names_labels


def test_what_cannot_be_chosen_is_said() -> None:
    pipeline = Pipeline(ScriptedDetector(), ColourEmbedder())
    with pytest.raises(RequestError, match="cannot choose the embedder 'dinov2'"):
        pipeline.embed(PICTURE, [BOX], chosen="dinov2")
