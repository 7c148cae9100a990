"""DINOv3 in our seam: the vectors of transformers' models, patches behind the registers, pixels as its processor makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch.nn import functional
from transformers import AutoModel, BatchFeature, pipeline

from dinolabel.training.finetune.options import FineTuneOptions
from dinolabel.training.model_selection.embedder_choice import fine_tune
from dinolabel.vision.embedders import dinov2
from dinolabel.vision.embedders.dinov3 import Dinov3, build
from dinolabel.vision.errors import ModelError, RequestError, WeightsMissing
from dinolabel.vision.types import Crop
from tests.tiny_models import tiny_convnext, tiny_dinov3, tiny_embedder

CROPS = [Crop(np.random.default_rng(each).integers(0, 256, (100 + each, 100 + each, 3), dtype=np.uint8)) for each in range(3)]


def unit(rows: torch.Tensor) -> np.ndarray:
    return np.asarray(functional.normalize(rows, dim=-1).numpy())


def tokens(folder: Path, embedder: Dinov3) -> torch.Tensor:
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder).eval()(pixel_values=embedder.pixels(CROPS)).last_hidden_state


@pytest.mark.parametrize("registers", [0, 4])
def test_a_vit_gives_its_class_token_and_the_mean_of_its_patches(tmp_path: Path, registers: int) -> None:
    embedder = build(str(tiny_dinov3(tmp_path / "vit", registers=registers)), device="cpu")
    found = tokens(tmp_path / "vit", embedder)
    assert found.shape[1] == 1 + registers + 9 and embedder.dim == 32
    expected = torch.cat([found[:, 0], found[:, 1 + registers :].mean(dim=1)], dim=1)
    assert np.allclose(embedder.embed(CROPS), unit(expected), atol=1e-5)
    alone = build(str(tmp_path / "vit"), device="cpu", feature="cls")
    assert np.allclose(alone.embed(CROPS), unit(found[:, 0]), atol=1e-5)
    assert alone.digest == embedder.features[0].digest


@pytest.mark.parametrize("feature", ["cls", "cls+patches"])
def test_a_convnext_has_one_feature(tmp_path: Path, feature: str) -> None:
    embedder = build(str(tiny_convnext(tmp_path / "convnext")), device="cpu", feature=feature)
    found = tokens(tmp_path / "convnext", embedder)
    assert found.shape[1] == 1 + 4 and [each.width for each in embedder.features] == [embedder.dim] == [32]
    assert np.allclose(embedder.embed(CROPS), unit(found[:, 0]), atol=1e-5)


@pytest.mark.parametrize("make", [tiny_dinov3, tiny_convnext])
def test_the_pipeline_of_transformers_gives_the_same(tmp_path: Path, make: object) -> None:
    """Its image processor needs torchvision, so that ours stands in for it; the rest is `image-feature-extraction`."""
    embedder = build(str(make(tmp_path / "weights")), device="cpu", feature="cls")  # type: ignore[operator]

    class Ours:
        def __call__(self, images: PIL.Image.Image, **_: object) -> BatchFeature:
            return BatchFeature({"pixel_values": embedder.pixels([Crop(np.asarray(images))])})

    ask = pipeline("image-feature-extraction", model=AutoModel.from_pretrained(tmp_path / "weights"), image_processor=Ours())
    for crop, row in zip(CROPS, embedder.embed(CROPS), strict=True):
        (all_tokens,) = ask(PIL.Image.fromarray(crop.pixels))
        assert np.allclose(row, unit(torch.tensor(all_tokens[0])), atol=1e-5)


def test_pixels_are_its_processors(tmp_path: Path) -> None:
    """Rescaled, then shrunk by a bilinear filter with antialias, then normalised; Pillow shrinks bytes, so to a step of them."""
    embedder = build(str(tiny_dinov3(tmp_path / "vit")), device="cpu")
    for crop, ours in zip(CROPS, embedder.pixels(CROPS), strict=True):
        given = torch.tensor(crop.pixels / 255).permute(2, 0, 1)[None]
        small = functional.interpolate(given, size=(48, 48), mode="bilinear", antialias=True)[0]
        theirs = (small - torch.tensor(dinov2.IMAGENET_MEAN)[:, None, None]) / torch.tensor(dinov2.IMAGENET_STD)[:, None, None]
        assert (ours - theirs).abs().max() < 1.1 / 255 / 0.224


def test_it_says_what_it_is(tmp_path: Path) -> None:
    embedder = build(str(tiny_dinov3(tmp_path / "dinov3-vits16")), device="cpu")
    how = embedder.preprocessing
    assert (embedder.name, how["side"], how["resample"]) == (
        "dinov3-vits16",
        48,
        "bilinear, antialias",
    )
    with pytest.raises(RequestError, match="no feature"):
        build(str(tmp_path / "dinov3-vits16"), device="cpu", feature="patches")


def test_weights_of_another_family_are_refused_both_ways(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="dinov3_vit"):
        build(str(tiny_embedder(tmp_path / "dinov2")), device="cpu")
    with pytest.raises(WeightsMissing, match="dinov2_with_registers"):
        dinov2.build(str(tiny_dinov3(tmp_path / "dinov3")), device="cpu")


def test_it_cannot_be_fine_tuned_and_says_so(tmp_path: Path) -> None:
    embedder = build(str(tiny_dinov3(tmp_path / "vit")), device="cpu")
    with pytest.raises(ModelError, match="cannot be fine-tuned"):
        fine_tune(embedder, None, {}, None, FineTuneOptions(1, tmp_path, 0), folder=tmp_path)  # type: ignore[arg-type]
