"""Clusters of crops that look alike: average linkage by cosine, tight ones first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from dinolabel.vision.types import Embeddings
from dinolabel.wall.grouping.similarity import centre_of

TIGHT = 0.25
"""Mean cosine distance up to which crops are joined where the project has too few names to learn it from (`tightness`)."""
GRID = tuple(round(0.1 + 0.025 * step, 3) for step in range(17))  # 0.1 to 0.5
PURE = 0.99
ENOUGH = 20
"""Named crops, of two names at least, from which a project's own tightness is learnt."""
AT_ONCE = 4_000
"""Rows linked at once: their distances take 64 MB. More rows are first split by the nearest of some spread-out rows."""

Cluster = tuple[int, ...]


def cluster_rows(rows: Embeddings, tight: float = TIGHT) -> list[Cluster]:
    """Row numbers in clusters: the largest of the tightest first, each cluster's most typical row first. rows: (N, D) unit rows.

    tight: mean cosine distance between clusters below which they are joined.
    """
    found: list[Cluster] = []
    for part in _parts(rows):
        found += [tuple(int(part[at]) for at in members) for members in _link(rows[part], tight)]
    return sorted((typical_first(rows, each) for each in found), key=lambda each: (-len(each), each[0]))


def tightness(rows: Embeddings, names: Sequence[str]) -> float:
    """The loosest distance at which crops that people named stay apart by name (99 %), TIGHT where there are too few to tell.

    rows: (N, D) unit rows of named crops. names: of each.
    """
    if len(rows) < ENOUGH or len(set(names)) < 2:
        return TIGHT
    chosen = np.random.default_rng(0).permutation(len(rows))[:AT_ONCE]
    tree, told = linkage(rows[chosen], "average", metric="cosine"), np.asarray(names)[chosen]
    best = GRID[0]
    for tight in GRID:
        if _purity(fcluster(tree, tight, "distance"), told) < PURE:
            break
        best = tight
    return best


def typical_first(rows: Embeddings, members: Sequence[int]) -> Cluster:
    """The members, nearest to their common centre first."""
    near = rows[list(members)] @ centre_of(rows, members)
    return tuple(members[at] for at in np.lexsort((np.asarray(members), -near)))


def _link(rows: Embeddings, tight: float) -> Iterator[list[int]]:
    if len(rows) < 2:
        yield from ([at] for at in range(len(rows)))
        return
    numbers = fcluster(linkage(rows, "average", metric="cosine"), tight, "distance")
    order = np.argsort(numbers, kind="stable")
    yield from (list(map(int, part)) for part in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1))


def _parts(rows: Embeddings) -> Iterator[list[int]]:
    """Row numbers in parts of at most AT_ONCE that alike rows share: each row goes to the nearest of evenly spread ones."""
    todo = [list(range(len(rows)))]
    while todo:
        part = todo.pop()
        if len(part) <= AT_ONCE:
            if part:
                yield part
            continue
        seeds = _spread(rows, part, -(-2 * len(part) // AT_ONCE))
        nearest = (rows[part] @ rows[seeds].T).argmax(axis=1)
        split = [[part[at] for at in np.flatnonzero(nearest == number)] for number in range(len(seeds))]
        even = max(map(len, split)) < len(part)  # copies of one row cannot be split by likeness
        todo += split if even else [part[:AT_ONCE], part[AT_ONCE:]]


def _spread(rows: Embeddings, part: Sequence[int], count: int) -> list[int]:
    """Rows that are unlike each other, of a sample: the first, then always the one that is least like those chosen."""
    sample = part[:: max(1, len(part) // AT_ONCE)]
    chosen, near = [sample[0]], rows[sample] @ rows[sample[0]]
    while len(chosen) < count:
        chosen.append(sample[int(near.argmin())])
        near = np.maximum(near, rows[sample] @ rows[chosen[-1]])
    return chosen


def _purity(numbers: npt.NDArray[np.int32], names: npt.NDArray[np.str_]) -> float:
    order = np.argsort(numbers, kind="stable")
    parts = np.split(names[order], np.flatnonzero(np.diff(numbers[order])) + 1)
    return float(sum(np.unique(part, return_counts=True)[1].max() for part in parts) / len(names))
