"""How far a row is from each label: by the nearest of that label's references; and which columns of a row are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.types import Embeddings
from dinolabel.vision.vectors import truncate_features

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Pair = tuple[Codes, Codes]

BLOCK = 2048  # rows of a distance table held at once


def label_distances(
    asked: Embeddings, references: Embeddings, reference_labels: Codes, *, count: int, groups: Pair | None = None, neighbours: int = 1
) -> Floats:
    """(N, count) cosine distance of each row to each label: the mean over its nearest `neighbours` references, or all it has; NaN for none.

    reference_labels: (M,) columns. groups: codes of the rows' and of the references' groups; a row's own group is left out, because the
    crops of one picture are near each other by nature.
    """
    out = np.full((len(asked), count), np.nan)
    order = np.argsort(reference_labels, kind="stable")  # each label's references side by side, so that a block of them is a view
    references, sizes = references[order], np.bincount(reference_labels, minlength=count)
    ends = np.cumsum(sizes)
    for start in range(0, len(asked), BLOCK):
        rows = slice(start, start + BLOCK)
        near = np.maximum(1.0 - asked[rows] @ references.T, 0.0)
        if groups is not None:
            near[_same(groups[0][rows], groups[1][order])] = np.inf
        for label in np.flatnonzero(sizes):
            mine = slice(ends[label] - sizes[label], ends[label])
            most = min(neighbours, int(sizes[label]))
            least = np.partition(near[:, mine], most - 1, axis=1)[:, :most].astype(np.float64)
            found = np.isfinite(least)
            total = np.where(found, least, 0.0).sum(axis=1)
            out[rows, label] = np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), np.nan)
    return out


def _same(one: Codes, other: Codes) -> Pair:
    """(P,) and (P,) positions of equal numbers: few among many, so they are looked up instead of comparing all with all."""
    order = np.argsort(other, kind="stable")
    first, last = (np.searchsorted(other[order], one, side=side) for side in ("left", "right"))
    mine = np.repeat(np.arange(len(one)), last - first)
    within = np.arange(len(mine)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    return mine, order[np.repeat(first, last - first) + within]


def select_features(embeddings: Embeddings, width: int, *, expected: tuple[int, int]) -> Embeddings:
    """The first `width` columns of unit rows, made unit again; 0 for all. Raises BundleMismatch unless that leaves what is expected."""
    narrowed = embeddings.ndim == 2 and 0 < width <= embeddings.shape[1]
    if (len(embeddings), width) != expected if narrowed else embeddings.shape != expected:
        raise BundleMismatch(f"The head expects embeddings of shape {expected}, got {embeddings.shape}.")
    return truncate_features(embeddings, width) if width else embeddings
