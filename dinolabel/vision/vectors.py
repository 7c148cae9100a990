"""Arithmetic of rows: features cut to a width and made unit again, logits as probabilities, labels as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Embeddings


def truncate_features(embeddings: Embeddings, width: int) -> Embeddings:
    """(N, width) of (N, D) unit rows, made unit again; as they are where that is all of them."""
    if width == embeddings.shape[1]:
        return embeddings
    kept = embeddings[:, :width]
    return np.asarray(kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, C) -> (N, C), rows sum to 1; stable for any size of logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf)) if logits.size else logits
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True)) if logits.size else logits


def encode_labels(embeddings: Embeddings, labels: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """The sorted label names, and per row the number of its own. Raises ValueError unless both are (N, D) and N long, N > 0."""
    if embeddings.ndim != 2 or len(embeddings) != len(labels) or not len(labels):
        raise ValueError(f"expected (N, D) embeddings with N > 0 labels, got {embeddings.shape} and {len(labels)}")
    names, numbers = np.unique(np.array(labels, dtype=str), return_inverse=True)
    return tuple(map(str, names)), numbers
