"""Near-duplicates across pictures: frames that follow each other, a photo saved twice. What looks alike must stay on one side of the split.

Knows embeddings and small thumbnails of crops; nothing of labels, files or heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import PIL.Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vision.types import Embeddings, Pixels

SIDE = 16
LOOKS_DIGEST = "looks-16-rgb-1"  # stands where an embedder's digest does in the key of a cached thumbnail
# Measured on drawn crops (docs/decisions.md): re-saved copies have looks >= 0.996, the median burst 0.97; of other pictures of the same
# thing the nearest has 0.93 in one case of a hundred. An embedding alone separates less: it is made to find all pictures of a thing alike.
ALIKE_LOOKS, ALIKE_EMBEDDING = 0.96, 0.95
SAME_EMBEDDING = 0.995  # so near that no thumbnail is needed
BLOCK = 2048
Looks = npt.NDArray[np.float32]


def looks(pixels: Pixels) -> Looks:
    """(SIDE * SIDE * 3,) float32 unit thumbnail without its mean; all zeros for a crop of one colour, which is like nothing."""
    small = PIL.Image.fromarray(np.asarray(pixels)).resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    flat = np.asarray(small, dtype=np.float32).ravel()
    flat = flat - flat.mean()
    length = float(np.linalg.norm(flat))
    return np.asarray(flat / length if length > SIDE else np.zeros_like(flat), dtype=np.float32)


def clusters(embeddings: Embeddings, thumbnails: Looks | None, groups: Sequence[str], ages: Sequence[int]) -> tuple[str, ...]:
    """The group of each row after groups with a near-duplicate in common are made one, named by their oldest member.

    embeddings: (N, D) unit rows. thumbnails: (N, K) of `looks`, zero rows where there is none; None for no thumbnails at all.
    ages: (N,) a number that grows with time (of the annotation). The side of a split follows the name, so a newer picture comes to the side
    of the older one, and never the other way round.
    """
    if len(groups) < 2:
        return tuple(groups)
    names, numbers = np.unique(np.array(groups, dtype=str), return_inverse=True)
    first, second = _pairs(embeddings, thumbnails, numbers)
    joined = coo_matrix((np.ones(len(first), dtype=bool), (numbers[first], numbers[second])), shape=(len(names), len(names)))
    _, cluster = connected_components(joined, directed=False)
    age = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(age, numbers, np.asarray(ages, dtype=np.int64))
    order = np.lexsort((names, age))  # the oldest first; of equal age the first by name
    oldest: dict[int, str] = {}
    for at in order:
        oldest.setdefault(int(cluster[at]), str(names[at]))
    return tuple(oldest[int(cluster[number])] for number in numbers)


def _pairs(embeddings: Embeddings, thumbnails: Looks | None, numbers: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.int64], ...]:
    """Rows of different groups that are near-duplicates: (P,) and (P,)."""
    found: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(embeddings), BLOCK):
        rows = slice(start, start + BLOCK)
        near = embeddings[rows] @ embeddings[start:].T
        least = ALIKE_EMBEDDING if thumbnails is not None else SAME_EMBEDDING
        mine, theirs = np.nonzero((near >= least) & (numbers[rows, None] != numbers[None, start:]))
        same = near[mine, theirs] >= SAME_EMBEDDING
        if thumbnails is not None and len(mine):
            same |= _alike(thumbnails, mine + start, theirs + start)
        found.append(np.stack([mine[same] + start, theirs[same] + start]))
    first, second = np.concatenate(found, axis=1)
    return first, second


def _alike(thumbnails: Looks, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(first), dtype=bool)
    for start in range(0, len(first), BLOCK * 16):  # pairs at once: their thumbnails are copied
        part = slice(start, start + BLOCK * 16)
        out[part] = np.einsum("nk,nk->n", thumbnails[first[part]], thumbnails[second[part]]) >= ALIKE_LOOKS
    return out
