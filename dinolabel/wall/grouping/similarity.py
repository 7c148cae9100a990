"""Cosine similarity of crops: rows made comparable, nearest rows found exactly by blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Embeddings

Vector = npt.NDArray[np.float32]
BLOCK = 8_192
"""Rows compared at once: 8,192 rows of 768 numbers are 25 MB, whatever the pool's size."""
NARROW = 0.75
"""Length of the mean of unit rows from which they point nearly all the same way, so that cosines say little before the mean is taken off:
face descriptors have 0.9 (strangers' cosine is 0.8), general embedders of mixed crops 0.2 to 0.7."""
FEW = 20
"""Rows below which their mean says nothing about other rows."""


def comparable_rows(vectors: Embeddings) -> Embeddings:
    """(N, D) unit rows whose cosines tell alike from unlike; the mean is taken off where all rows point nearly the same way."""
    rows = unit_rows(vectors)
    if len(rows) < FEW:
        return rows
    mean = rows.mean(axis=0)
    return unit_rows(rows - mean) if float(np.linalg.norm(mean)) > NARROW else rows


def unit_rows(vectors: Embeddings) -> Embeddings:
    """(N, D) float32 rows of length 1; a row of zeros stays one."""
    rows = np.asarray(vectors, np.float32)
    found: Embeddings = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def similarity_to(rows: Embeddings, examples: Embeddings, against: Embeddings | None = None) -> Vector:
    """(N,) how much each row is like the nearest example, less how much nearer than that it is to one of `against`.

    rows, examples, against: unit rows. A row that is more like a counterexample than like any example falls behind all others by that much.
    """
    best = _nearest(rows, examples)
    if against is None or not len(against):
        return best
    behind: Vector = np.maximum(_nearest(rows, against) - best, 0.0)
    return np.subtract(best, behind)


def centre_of(rows: Embeddings, members: Sequence[int]) -> Vector:
    """The unit mean of some rows."""
    found: Vector = unit_rows(rows[list(members)].mean(axis=0, keepdims=True))[0]
    return found


def _nearest(rows: Embeddings, examples: Embeddings) -> Vector:
    best = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        for at in range(0, len(examples), BLOCK):
            best[start : start + BLOCK] = np.maximum(best[start : start + BLOCK], (block @ examples[at : at + BLOCK].T).max(axis=1))
    return best
