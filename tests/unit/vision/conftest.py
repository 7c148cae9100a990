"""A small trained bundle, a detector that follows a script, an embedder that sees colours: all can be worked out by eye."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.heads import prototype
from dinolabel.vision.types import CropPolicy
from tests.doubles.scripted_models import ColourEmbedder, ScriptedDetector

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


@pytest.fixture
def scripted() -> type[ScriptedDetector]:
    return ScriptedDetector


@pytest.fixture
def colours() -> ColourEmbedder:
    return ColourEmbedder()
