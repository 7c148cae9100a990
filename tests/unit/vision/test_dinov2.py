from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import AutoModel

from dinolabel.vision.embedders.dinov2 import IMAGENET_MEAN, IMAGENET_STD, Dinov2, _preprocessing, build
from dinolabel.vision.errors import ModelError, RequestError, WeightsMissing
from dinolabel.vision.loading.feature_slice import slice_for
from dinolabel.vision.types import Crop
from tests.tiny_models import tiny_detector, tiny_embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_embedder(tmp_path_factory.mktemp("weights") / "facebook--dinov2-small")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Dinov2:
    """The class token alone."""
    return build(str(folder), device="cpu", feature="cls")


def noise(side: int = 100, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_reports_what_serves(embedder: Dinov2) -> None:
    assert (embedder.name, embedder.weights, embedder.device, embedder.precision, embedder.dim) == (
        "dinov2-small", "facebook/dinov2-small", "cpu", "float32", 16,
    )  # fmt: skip


def test_the_feature_is_the_normed_class_token(folder: Path, embedder: Dinov2) -> None:
    """Written out by hand: resize, ImageNet's mean and deviation, encoder, one norm, first token, unit length."""
    pixels = noise()
    model = AutoModel.from_pretrained(folder).eval()
    small = np.asarray(PIL.Image.fromarray(pixels).resize((56, 56), PIL.Image.Resampling.BICUBIC)) / 255
    ready = torch.tensor((small - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.inference_mode():
        once = model.layernorm(model.encoder(model.embeddings(ready)).last_hidden_state)[0, 0].numpy()
        pooled = model(ready).pooler_output[0].numpy()
        twice = model.layernorm(torch.tensor(once)).numpy()
    (found,) = embedder.embed([Crop(pixels)])
    assert found == pytest.approx(once / np.linalg.norm(once), abs=1e-5)
    assert found == pytest.approx(pooled / np.linalg.norm(pooled), abs=1e-5)
    assert np.abs(found - twice / np.linalg.norm(twice)).max() > 0.05


def test_the_whole_crop_is_seen(embedder: Dinov2) -> None:
    """The checkpoint's own processor would cut these edges off (64 resized, 56 cut)."""
    plain = np.full((64, 64, 3), 128, dtype=np.uint8)
    framed = plain.copy()
    framed[:3], framed[-3:], framed[:, :3], framed[:, -3:] = 255, 255, 0, 0
    one, other = embedder.embed([Crop(plain), Crop(framed)])
    assert one @ other < 0.999


def test_shrinking_does_not_alias(embedder: Dinov2) -> None:
    """Rows that alternate between black and white, eight to a pixel, become grey; bilinear without antialias keeps them."""
    stripes = np.zeros((448, 448, 3), dtype=np.uint8)
    stripes[::2] = 255
    inner = embedder.pixels([Crop(stripes)])[0].numpy()[:, 4:-4]
    assert np.ptp(inner, axis=(1, 2)).max() < 0.05


def test_channels_are_rgb(embedder: Dinov2) -> None:
    red = np.zeros((20, 20, 3), dtype=np.uint8)
    red[..., 0] = 255
    planes = embedder.pixels([Crop(red)])[0].numpy()
    assert planes.shape == (3, 56, 56)
    assert planes.mean(axis=(1, 2)) == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], abs=1e-3)


def test_pixels_are_normalised_to_the_bit(embedder: Dinov2) -> None:
    """Digests promise equal rows: a table of 256 values gives what the arithmetic gives."""
    crops = [Crop(np.random.default_rng(seed).integers(0, 256, (56, 56, 3), dtype=np.uint8)) for seed in range(2)]
    mean, std = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)
    expected = np.stack([((crop.pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1) for crop in crops])
    assert np.array_equal(embedder.pixels(crops).numpy(), expected)


@pytest.mark.parametrize("registers", [0, 3])
def test_patches_are_appended(tmp_path: Path, registers: int) -> None:
    """Registers are no patches: they stay out of the mean."""
    folder = tiny_embedder(tmp_path / "dinov2", registers=registers)
    both = build(str(folder), device="cpu")
    (row,) = both.embed([Crop(noise(56))])
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        tokens = model(both.pixels([Crop(noise(56))])).last_hidden_state[0].numpy()
    assert len(tokens) == 1 + registers + 16
    expected = np.concatenate([tokens[0], tokens[1 + registers :].mean(axis=0)])
    assert both.dim == row.size == 32
    assert row == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_first_half_is_what_the_class_token_alone_gives(folder: Path, precision: str) -> None:
    both, alone = (build(str(folder), device="cpu", precision=precision, feature=each) for each in ("cls+patches", "cls"))
    first, last = both.features
    assert (first.width, last.width) == (alone.dim, both.dim) == (16, 32)
    assert (first.digest, last.digest) == (alone.digest, both.digest) and alone.digest != both.digest
    assert alone.features == (first,)
    crops = [Crop(noise(seed=seed)) for seed in range(5)]
    assert slice_for(both, alone.digest).embed(crops) == pytest.approx(alone.embed(crops), abs=1e-6)


@pytest.mark.parametrize(
    ("processor", "side"),
    [
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, 224),
        ({"size": {"height": 112, "width": 112}}, 112),
        ({"size": {"shortest_edge": 256}}, 252),
        ({"size": 120}, 112),
        ({"size": {"height": 5, "width": 5}}, 14),
        ({}, 224),
    ],
)
def test_side_is_the_checkpoints_and_of_whole_patches(processor: dict[str, object], side: int) -> None:
    found = _preprocessing(processor, {"patch_size": 14, "image_size": 518}, "cls")
    assert (found["side"], found["mean"]) == (side, [0.485, 0.456, 0.406])


def test_the_processor_may_lie_in_either_file(tmp_path: Path) -> None:
    folder = tiny_embedder(tmp_path / "dinov2")
    alone = build(str(folder), device="cpu")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    assert alone.preprocessing["side"] == 56
    assert build(str(folder), device="cpu").digest == alone.digest


def test_without_a_processor_a_small_model_sees_its_own_size() -> None:
    assert _preprocessing({}, {"patch_size": 14, "image_size": 112}, "cls")["side"] == 112


def test_reduced_precision_is_close(folder: Path, embedder: Dinov2) -> None:
    coarse = build(str(folder), device="cpu", precision="bfloat16", feature="cls")
    crops = [Crop(noise(seed=seed)) for seed in range(4)]
    assert (embedder.embed(crops) * coarse.embed(crops)).sum(axis=1).min() > 0.99


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="holds 'grounding-dino' weights; needed is one of: dinov2, dinov2_with_registers"):
        build(str(tiny_detector(tmp_path / "gdino")))


def test_an_unknown_feature_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match="no feature 'mean'"):
        build(str(folder), feature="mean")


def test_numbers_that_are_none_are_an_error(folder: Path) -> None:
    broken = build(str(folder), device="cpu")
    with torch.no_grad():
        broken._model.layernorm.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="numbers that are none in float32"):
        broken.embed([Crop(noise())])
