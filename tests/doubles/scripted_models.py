"""Stand-ins for the models whose answers can be read off the picture: real implementations of the seams, no patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.heads import prototype
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, top_k
from dinolabel.vision.types import Crop, CropPolicy, Embeddings, Image, Prompt

RED, GREEN, BLUE = (220, 60, 50), (70, 170, 80), (60, 90, 210)


class ScriptedDetector:
    """Finds what it is told to, and remembers what it was asked."""

    name, weights, device, precision = "scripted", "scripted", "cpu", "float32"
    digest = "d" * 64

    def __init__(self, *found: Candidate) -> None:
        self.found = list(found)
        self.asked: list[list[str]] = []

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        self.asked.append([image.sha256 for image in images])
        return [top_k((each for each in self.found if each.phrase in prompt.phrases), floor=floor, most=most) for _ in images]


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


def seen(colour: tuple[int, int, int]) -> Embeddings:
    """(1, 4) what ColourEmbedder makes of a crop of that colour."""
    row = np.array([[*(each / 255 for each in colour), 0.1]])
    return np.asarray(row / np.linalg.norm(row), np.float32)


def colour_bundle(**names: tuple[int, int, int]) -> Bundle:
    """A head that knows things by their colour: colour_bundle(tom=RED) names red ones tom and nothing else."""
    references = np.concatenate([seen(colour) for colour in names.values()])
    head = prototype.build().fit(references, list(names))
    return Bundle(
        labels=head.labels,
        head_name="prototype",
        arrays=head.arrays(),
        temperature=1.0,
        accept_threshold=0.7,
        distance_threshold=0.15,
        references=references,
        reference_labels=tuple(names),
        reference_ids=tuple(map(str, range(len(names)))),
        embedder_name=ColourEmbedder.name,
        embedder_digest=ColourEmbedder.digest,
        policy=CropPolicy(),
        created_at="2026-11-22T12:00:00Z",
        trained_on=dict.fromkeys(names, 1),
    )
