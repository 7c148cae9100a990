"""Near-duplicates across pictures: frames that follow each other, a photo saved twice. What looks alike must stay on one side of the split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dinolabel.vision.images.perceptual_hash import NEAR, perceptual_hash
from dinolabel.vision.types import Embeddings, Pixels

BITS = 64
PRINT_DIGEST = "fingerprint-1"  # stands where an embedder's digest does in the key of a cached fingerprint
# Each alone is too weak (docs/decisions.md): an embedding is made to find all pictures of a thing alike, and a fingerprint of a small crop
# of one thing often meets another's. Together they catch every re-saved copy and about half of the bursts that were tried.
ALIKE = 0.95  # cosine, where the fingerprints are near each other
SAME = 0.995  # cosine so near that no fingerprint is asked: one drawn crop in 250 has such a neighbour in another picture
LARGE, SURELY = 0.25, 4  # share of all groups above which a cluster is none; of so many groups it always is one
BLOCK = 2048
Hashes = npt.NDArray[np.float32]


def hash_pixels(pixels: Pixels) -> Hashes:
    """(BITS,) of the crop's fingerprint as +1 and -1, so that a cache of embeddings holds it and a product compares it."""
    code = perceptual_hash(np.asarray(pixels))
    bits = np.array([code >> at & 1 for at in range(BITS)], dtype=np.float32)
    return np.asarray(2 * bits - 1, dtype=np.float32)


def clusters(embeddings: Embeddings, prints: Hashes | None, groups: Sequence[str], ages: Sequence[int]) -> tuple[str, ...]:
    """The group of each row after groups with a near-duplicate in common are made one, named by their oldest member.

    embeddings: (N, D) unit rows. prints: (N, BITS) of `hash_pixels`, zero rows where there is none; None for none at all.
    ages: (N,) a number that grows with time (of the annotation). The side of a split follows the name, so a newer picture comes to the side
    of the older one, and never the other way round.
    """
    if len(groups) < 2:
        return tuple(groups)
    names, numbers = np.unique(np.array(groups, dtype=str), return_inverse=True)
    first, second = _pairs(embeddings, prints, numbers)
    joined = coo_matrix((np.ones(len(first), dtype=bool), (numbers[first], numbers[second])), shape=(len(names), len(names)))
    _, cluster = connected_components(joined, directed=False)
    cluster = _small(cluster, len(names))
    age = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(age, numbers, np.asarray(ages, dtype=np.int64))
    oldest: dict[int, str] = {}
    for at in np.lexsort((names, age)):  # the oldest first; of equal age the first by name
        oldest.setdefault(int(cluster[at]), str(names[at]))
    return tuple(oldest[int(cluster[number])] for number in numbers)


def _small(cluster: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int64]:
    """Clusters of a large share of all groups are taken apart again: then it is how the thing looks, a printed card or a logo, and as one
    group nothing would be left to judge by."""
    sizes = np.bincount(cluster)
    large = sizes[cluster] > max(LARGE * count, SURELY)
    return np.where(large, len(sizes) + np.arange(count), cluster).astype(np.int64)


def _pairs(embeddings: Embeddings, prints: Hashes | None, numbers: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.int64], ...]:
    """Rows of different groups that are near-duplicates: (P,) and (P,)."""
    found: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(embeddings), BLOCK):
        rows = slice(start, start + BLOCK)
        near = embeddings[rows] @ embeddings[start:].T
        same = near >= SAME
        if prints is not None:
            same |= (near >= ALIKE) & (prints[rows] @ prints[start:].T >= BITS - 2 * NEAR)
        same &= numbers[rows, None] != numbers[None, start:]
        mine, theirs = np.nonzero(same)
        found.append(np.stack([mine + start, theirs + start]))
    first, second = np.concatenate(found, axis=1)
    return first, second
