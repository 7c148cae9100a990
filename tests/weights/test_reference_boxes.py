"""The real checkpoints against published numbers. Needs the hub and the web: `python -m pytest tests/weights -m weights`.

Reference: the example in transformers' GroundingDINO documentation (docs/source/en/model_doc/grounding-dino.md), picture 39769 of
COCO val2017, prompt "a cat. a remote control.", thresholds 0.4 and 0.3.
"""

from __future__ import annotations

import urllib.request
from pathlib import Path

import numpy as np
import pytest

from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.plugins import load_detector, load_embedder
from dinolabel.vision.types import Box, CropPolicy, Thresholds

pytestmark = pytest.mark.weights

PICTURE = "http://images.cocodataset.org/val2017/000000039769.jpg"
PUBLISHED = [
    ("a cat", 0.479, Box(344.7, 23.11, 637.18, 374.28)),
    ("a remote control", 0.478, Box(38.57, 70.0, 176.78, 118.18)),
    ("a cat", 0.438, Box(12.27, 51.91, 316.86, 472.44)),
]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "cats.jpg"
    with urllib.request.urlopen(PICTURE, timeout=30) as answer:
        path.write_bytes(answer.read())
    return path


def test_grounding_dino_tiny_finds_the_published_boxes(picture: Path) -> None:
    detector = load_detector("grounding_dino", "IDEA-Research/grounding-dino-tiny", device="cpu", precision="float32")
    found = Pipeline(detector).predict([open_image(picture)], "a cat. a remote control.", thresholds=Thresholds(box=0.4, text=0.0))[0]
    assert len(found) == len(PUBLISHED)
    for got, (phrase, score, box) in zip(found, PUBLISHED, strict=True):
        assert got.phrase == phrase
        assert got.score == pytest.approx(score, abs=0.02)
        assert got.box.iou(box) > 0.97


def test_dinov2_small_sees_two_cats_as_more_alike_than_cat_and_remote(picture: Path) -> None:
    embedder = load_embedder("dinov2", "facebook/dinov2-small", device="cpu", precision="float32")
    pixels = open_image(picture).pixels
    rows = embedder.embed([cut(pixels, box, CropPolicy()) for _, _, box in PUBLISHED])
    alike = rows @ rows.T
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert alike[0, 2] > max(alike[0, 1], alike[1, 2]) + 0.1
