"""Nearest class mean: a label is the mean of its embeddings, and a crop is as much of a label as it points the same way.

Good from the first crop of a label on (Snell et al. 2017, Prototypical Networks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dinolabel.vision.protocols import Arrays
from dinolabel.vision.types import Embeddings
from dinolabel.vision.vectors import encode_labels, softmax

TEMPERATURE = 0.07  # of cosines; the usual value of contrastive image features (Radford et al. 2021). Calibration refines it.


@dataclass(frozen=True, eq=False)
class Prototype:
    """labels: sorted. means: (C, D) float32, rows of unit norm."""

    labels: tuple[str, ...] = ()
    means: Embeddings = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)

    def fit(self, embeddings: Embeddings, labels: Sequence[str], *, seed: int = 0) -> Prototype:
        """embeddings: (N, D) unit rows. labels: N of them. seed: not used, nothing here is random. Raises ValueError for N = 0."""
        names, numbers = encode_labels(embeddings, labels)
        means = np.stack([embeddings[numbers == index].astype(np.float64).mean(axis=0) for index in range(len(names))])
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return Prototype(names, (means / lengths).astype(np.float32))

    def logits(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        return np.asarray(embeddings, np.float64) @ self.means.T.astype(np.float64) / TEMPERATURE

    def predict_proba(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        return softmax(self.logits(embeddings))

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        return {"means": self.means}


def build() -> Prototype:
    return Prototype()


def restore(arrays: Arrays, labels: Sequence[str]) -> Prototype:
    """The head whose `arrays` and `labels` these are."""
    return Prototype(tuple(labels), np.asarray(arrays["means"], np.float32))
