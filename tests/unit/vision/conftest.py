"""A small trained bundle, a detector that follows a script, an embedder that sees colours: all can be worked out by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from vision.bundle import Bundle
from vision.candidates import FLOOR, MOST, Candidate, best, select
from vision.heads import prototype
from vision.types import Crop, CropPolicy, Detection, Embeddings, Image, Prompt, Thresholds

REFERENCES = np.array([[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0]], np.float32)
LABELS = ("jason", "jason", "lacy")


@pytest.fixture
def make_bundle() -> Callable[..., Bundle]:
    def make(**changes: Any) -> Bundle:
        head = prototype.build().fit(REFERENCES, LABELS)
        values: dict[str, Any] = {
            "labels": head.labels,
            "head_name": "prototype",
            "arrays": head.arrays(),
            "temperature": 1.0,
            "accept_threshold": 0.7,
            "distance_threshold": 0.3,
            "references": REFERENCES,
            "reference_labels": LABELS,
            "reference_ids": ("7-a", "7-b", "8-c"),
            "embedder_name": "dinov2-small",
            "embedder_digest": "e" * 64,
            "policy": CropPolicy(),
            "created_at": "2026-11-22T12:00:00Z",
            "metrics": {"accuracy": 0.9, "interval": [0.8, 0.95]},
            "data_digest": "d" * 64,
            "trained_on": {"jason": 2, "lacy": 1},
            "trained_until": "2026-11-22T11:59:00Z",
        }
        return Bundle(**(values | changes))

    return make


class ScriptedDetector:
    """Finds what it is told to, and remembers what it was asked."""

    name = "scripted"
    digest = "d" * 64

    def __init__(self, *found: Candidate) -> None:
        self.found = list(found)
        self.asked: list[list[str]] = []

    def candidates(self, images: Sequence[Image], prompt: Prompt, *, floor: float = FLOOR, most: int = MOST) -> list[list[Candidate]]:
        self.asked.append([image.sha256 for image in images])
        return [best((each for each in self.found if each.phrase in prompt.phrases), floor=floor, most=most) for _ in images]

    def detect(self, images: Sequence[Image], prompt: Prompt, thresholds: Thresholds) -> list[list[Detection]]:
        found = self.candidates(images, prompt)
        return [select(each, thresholds, width=image.width, height=image.height) for image, each in zip(images, found, strict=True)]


class ColourEmbedder:
    """Red, green, blue and darkness of the middle of a crop, as a unit vector: what it says can be read off the picture."""

    name = "colour"
    digest = "c" * 64
    dim = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        self.batches.append(len(crops))
        middles = np.array([each.pixels[each.pixels.shape[0] // 2, each.pixels.shape[1] // 2] for each in crops], np.float64)
        rows = np.concatenate([middles / 255, 0.1 * np.ones((len(crops), 1))], axis=1)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def scripted() -> type[ScriptedDetector]:
    return ScriptedDetector


@pytest.fixture
def colours() -> ColourEmbedder:
    return ColourEmbedder()
