"""The laws of dinolabel/vision/protocols.py for every file in dinolabel/vision/embedders, with tiny random weights and with `nano` where
it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.loading.feature_slice import features_of, slice_for
from dinolabel.vision.loading.weights import NANO, NANO_FOLDER
from dinolabel.vision.plugins import load_embedder, names
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Crop
from tests.tiny_models import tiny


def weights() -> Iterator[tuple[str, str]]:
    for plug in names("embedder"):
        yield plug, "tiny"
        if plug == "dinov2" and (NANO_FOLDER / "embedder" / "config.json").is_file():
            yield plug, NANO


def crops(count: int) -> list[Crop]:
    draw = np.random.default_rng(3)
    sides = draw.integers(1, 300, count)
    return [Crop(draw.integers(0, 256, (side, side, 3), dtype=np.uint8)) for side in sides]


@pytest.fixture(scope="module", params=list(weights()), ids="-".join)
def embedders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Embedder]:
    plug, which = request.param
    folders = [NANO] if which == NANO else [str(each) for each in tiny("embedder", plug, tmp_path_factory.mktemp(plug))]
    return [load_embedder(plug, folder, device="cpu") for folder in folders]


def test_there_is_an_embedder() -> None:
    assert "dinov2" in names("embedder")


def test_rows_are_finite_float32_of_unit_norm(embedders: list[Embedder]) -> None:
    for embedder in embedders:
        rows = embedder.embed(crops(19))
        assert rows.shape == (19, embedder.dim)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_features_are_first_columns_and_the_last_one_is_the_whole_row(embedders: list[Embedder]) -> None:
    for embedder in embedders:
        features = features_of(embedder)
        widths = [each.width for each in features]
        assert widths == sorted(set(widths))
        assert len({each.digest for each in features}) == len({each.words for each in features}) == len(widths)
        assert (features[-1].width, features[-1].digest) == (embedder.dim, embedder.digest)
        for each in features:
            part = slice_for(embedder, each.digest)
            rows = part.embed(crops(3))
            assert (part.digest, part.dim) == (each.digest, each.width) and rows.shape == (3, each.width)
            assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_crops_give_no_rows(embedders: list[Embedder]) -> None:
    for embedder in embedders:
        rows = embedder.embed([])
        assert rows.shape == (0, embedder.dim)
        assert rows.dtype == np.float32


def test_batch_size_does_not_matter(embedders: list[Embedder]) -> None:
    some = crops(19)
    for embedder in embedders:
        alone = np.concatenate([embedder.embed([crop]) for crop in some])
        assert np.abs(embedder.embed(some) - alone).max() < 1e-5
        assert np.abs(embedder.embed(some[::-1])[::-1] - alone).max() < 1e-5


def test_different_crops_differ(embedders: list[Embedder]) -> None:
    for embedder in embedders:
        rows = embedder.embed(crops(6))
        assert (rows @ rows.T - np.eye(6)).max() < 0.9999


def test_a_flat_crop_has_an_embedding_too(embedders: list[Embedder]) -> None:
    flat = [Crop(np.full((40, 40, 3), value, dtype=np.uint8)) for value in (0, 255)]
    for embedder in embedders:
        assert np.isfinite(embedder.embed(flat)).all()


def test_inputs_stay_untouched(embedders: list[Embedder]) -> None:
    some = crops(2)
    before = [crop.pixels.copy() for crop in some]
    for embedder in embedders:
        embedder.embed(some)
    assert all(np.array_equal(crop.pixels, pixels) for crop, pixels in zip(some, before, strict=True))


def test_names_and_digests(embedders: list[Embedder]) -> None:
    for embedder in embedders:
        assert re.fullmatch(r"[a-z0-9-]+", embedder.name)
        assert re.fullmatch(r"[0-9a-f]{16,}", embedder.digest)
    assert len({embedder.digest for embedder in embedders}) == len(embedders)


def test_digest_follows_weights_preprocessing_and_precision(tmp_path: Path) -> None:
    for plug in names("embedder"):
        folder = tiny("embedder", plug, tmp_path / plug)[0]
        if folder.is_file():
            continue  # one file decides its own precision: tests/unit/vision/test_onnx.py has this law for it
        same = [load_embedder(plug, str(folder), device="cpu").digest for _ in range(2)]
        coarser = load_embedder(plug, str(folder), device="cpu", precision="bfloat16").digest
        processor = folder / "preprocessor_config.json"
        processor.write_text(processor.read_text().replace("0.485", "0.5"))
        paler = load_embedder(plug, str(folder), device="cpu").digest
        weights_file = next(folder.glob("*.safetensors"))
        content = bytearray(weights_file.read_bytes())
        content[-1] ^= 1
        weights_file.write_bytes(content)
        changed = load_embedder(plug, str(folder), device="cpu").digest
        assert same[0] == same[1]
        assert len({same[0], coarser, paler, changed}) == 4
