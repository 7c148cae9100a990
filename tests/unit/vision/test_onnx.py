"""Another embedder is one file and one setting: an ONNX model by its path, and a head trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.embedders.onnx import build
from dinolabel.vision.errors import DeviceUnavailable, ModelError, WeightsMissing
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.plugins import load_embedder
from dinolabel.vision.types import Box, Crop, Image
from tests.tiny_models import tiny_onnx

RED = np.full((20, 20, 3), (200, 20, 10), np.uint8)


def test_the_path_is_the_setting(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "Faces v2.onnx")
    embedder = load_embedder("onnx", str(path), device="cpu")
    assert (embedder.name, embedder.weights, embedder.dim, embedder.device) == ("onnx-faces-v2", "Faces v2.onnx", 12, "cpu")
    pixels = np.tile(RED, (2, 2, 1))
    rows = Pipeline(None, embedder).embed(Image.from_array(pixels), [Box(0, 0, 20, 20), Box(4, 4, 30, 30)])  # type: ignore[arg-type]
    assert rows.shape == (2, 12) and np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_pixels_go_in_as_the_json_says(tmp_path: Path) -> None:
    """Worked out by hand: a picture of one colour gives the sum of each channel's weights, times its normalised value."""
    path = tiny_onnx(tmp_path / "m.onnx", order="BGR")
    matrix = np.random.default_rng(0).normal(size=(3, 64, 12)).astype(np.float32).sum(axis=1)
    offset = np.random.default_rng(1).normal(size=12).astype(np.float32)
    blue_green_red = (np.array([10, 20, 200], np.float32) - np.array([120, 110, 100])) / 60
    wanted = blue_green_red @ matrix + offset
    assert build(str(path)).embed([Crop(RED)])[0] == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-4)


def test_what_decides_the_answer_decides_the_digest(tmp_path: Path) -> None:
    digests = {build(str(tiny_onnx(tmp_path / f"{at}.onnx", seed=seed, order=order))).digest for at, (seed, order) in enumerate(
        [(0, "RGB"), (1, "RGB"), (0, "BGR")]
    )}  # fmt: skip
    assert len(digests) == 3
    again = tiny_onnx(tmp_path / "again.onnx")
    assert build(str(again)).digest in digests


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no ONNX file gone\.onnx"):
        build(str(tmp_path / "gone.onnx"))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.onnx is no ONNX model"):
        build(str(tmp_path / "text.onnx"))
    path = tiny_onnx(tmp_path / "m.onnx")
    path.with_suffix(".json").write_text(json.dumps({"order": "GRB"}))
    with pytest.raises(ModelError, match="not clear"):
        build(str(path))
    with pytest.raises(DeviceUnavailable, match="has no mps"):
        build(str(tiny_onnx(tmp_path / "n.onnx")), device="mps")
