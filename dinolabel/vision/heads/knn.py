"""Nearest neighbours: a label is its few crops that are most like the one asked about, so it may look in several ways.

The k nearest of each label rather than a vote among the k nearest of all (Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric
Instance Discrimination): a vote is lost by whoever has fewer crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.vision.bundles.distances import label_distances
from dinolabel.vision.protocols import Arrays
from dinolabel.vision.types import Embeddings
from dinolabel.vision.vectors import encode_labels, softmax

NEIGHBOURS = 3  # of each label, or all it has
TEMPERATURE = 0.07  # of cosines, as Wu et al. have it and DINO after them. Calibration refines it.


@dataclass(frozen=True, eq=False)
class Knn:
    """labels: sorted. crops: (M, D) float32 unit rows, those of one label together, in the order of labels; counts: (C,) of each."""

    labels: tuple[str, ...] = ()
    crops: Embeddings = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)
    counts: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)

    def fit(self, embeddings: Embeddings, labels: Sequence[str], *, seed: int = 0) -> Knn:
        """embeddings: (N, D) unit rows. labels: N of them. seed: not used, nothing here is random. Raises ValueError for N = 0."""
        names, numbers = encode_labels(embeddings, labels)
        crops = np.asarray(embeddings[np.argsort(numbers, kind="stable")], np.float32)
        return Knn(names, crops, np.bincount(numbers).astype(np.float64))

    def logits(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        owners = np.repeat(np.arange(len(self.labels)), self.counts.astype(np.int64))
        return -label_distances(embeddings, self.crops, owners, count=len(self.labels), neighbours=NEIGHBOURS) / TEMPERATURE

    def predict_proba(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        return softmax(self.logits(embeddings))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"crops": self.crops, "counts": self.counts}


def build() -> Knn:
    return Knn()


def restore(arrays: Arrays, labels: Sequence[str]) -> Knn:
    """The head whose `arrays` and `labels` these are."""
    return Knn(tuple(labels), np.asarray(arrays["crops"], np.float32), np.asarray(arrays["counts"], np.float64))
