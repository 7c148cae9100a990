"""Map of crops: each crop's place in the plane, alike ones near each other, made once for a wall."""

from __future__ import annotations

import threading
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Embeddings

SAMPLE = 1_000
"""Rows that are laid out against each other; the others are placed among their neighbours of these."""
NEIGHBOURS = 5
PRINCIPAL = 30
BLOCK = 8_192

Places = npt.NDArray[np.float32]


class CropMap:
    """Keeps the last map made, since it is asked for anew with each name that is given."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _kept: ClassVar[tuple[int, Places] | None] = None

    @classmethod
    def of(cls, rows: Embeddings) -> Places:
        """(N, 2) places in 0..1 of (N, D) unit rows."""
        with cls._lock:
            if cls._kept is None or cls._kept[0] != id(rows):
                cls._kept = (id(rows), lay_out(rows))
            return cls._kept[1]


def lay_out(rows: Embeddings, *, seed: int = 0) -> Places:
    """(N, 2) places in 0..1: t-SNE of a sample after PCA; each other row at the mean of its nearest of the sample, weighted by likeness."""
    if len(rows) < 5:
        return np.stack([np.linspace(0.1, 0.9, len(rows)), np.full(len(rows), 0.5)], axis=1).astype(np.float32).reshape(-1, 2)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:SAMPLE])
    laid = _scale(_tsne(rows[chosen], seed))
    if len(chosen) == len(rows):
        return laid
    places = np.empty((len(rows), 2), np.float32)
    for start in range(0, len(rows), BLOCK):
        like = rows[start : start + BLOCK] @ rows[chosen].T
        near = np.argpartition(-like, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        weight = np.exp(20 * np.take_along_axis(like, near, axis=1))
        places[start : start + BLOCK] = (laid[near] * weight[..., None]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    places[chosen] = laid
    return places


def _tsne(rows: Embeddings, seed: int) -> Places:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    small = PCA(min(PRINCIPAL, *rows.shape), random_state=seed).fit_transform(rows)
    near = min(30.0, (len(rows) - 1) / 3)
    found: Places = TSNE(perplexity=near, init="pca", random_state=seed, max_iter=500).fit_transform(small).astype(np.float32)
    return found


def _scale(places: Places) -> Places:
    low, high = places.min(axis=0), places.max(axis=0)
    found: Places = (0.02 + 0.96 * (places - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return found
