"""L2-regularised multinomial logistic regression on unit embeddings: the usual linear probe of DINOv2 (Oquab et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.vision.protocols import Arrays
from dinolabel.vision.types import Embeddings
from dinolabel.vision.vectors import encode_labels, softmax

STRENGTH = 10.0  # scikit-learn's C. Unit rows keep logits small: its default of 1 leaves a dozen crops per label underfitted.
STRENGTHS = (1.0, 10.0, 100.0)  # what training lets compete
STEPS = 1000


@dataclass(frozen=True, eq=False)
class Linear:
    """labels: sorted. weights: (C, D) float64, bias: (C,) float64. One label alone has zeros and so probability 1.
    strength: used by fit only."""

    labels: tuple[str, ...] = ()
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    bias: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)
    strength: float = STRENGTH

    def fit(self, embeddings: Embeddings, labels: Sequence[str], *, seed: int = 0) -> Linear:
        """embeddings: (N, D) unit rows. labels: N of them; rare ones weigh as much as frequent ones. Raises ValueError for N = 0."""
        names, numbers = encode_labels(embeddings, labels)
        if len(names) == 1:
            return Linear(names, np.zeros((1, embeddings.shape[1])), np.zeros(1), self.strength)
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.strength, class_weight="balanced", max_iter=STEPS, random_state=seed)
        model.fit(np.asarray(embeddings, np.float64), numbers)
        weights, bias = model.coef_, model.intercept_
        if len(names) == 2:
            # scikit-learn keeps one row for two classes; half of it for and half against gives the same softmax.
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return Linear(names, np.ascontiguousarray(weights), np.ascontiguousarray(bias), self.strength)

    def logits(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        return np.asarray(embeddings, np.float64) @ self.weights.T + self.bias

    def predict_proba(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        return softmax(self.logits(embeddings))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"weights": self.weights, "bias": self.bias}


def build() -> Linear:
    return Linear()


def variants() -> dict[str, Linear]:
    """Heads to compete, by what to call them."""
    return {f"linear, C = {strength:g}": Linear(strength=strength) for strength in STRENGTHS}


def restore(arrays: Arrays, labels: Sequence[str]) -> Linear:
    """The head whose `arrays` and `labels` these are."""
    return Linear(tuple(labels), np.asarray(arrays["weights"], np.float64), np.asarray(arrays["bias"], np.float64))
