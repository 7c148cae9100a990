"""Which pictures to look at first: those that differ most from each other, so that few show what there is.

Farthest-first traversal (Gonzalez 1985; the k-centre greedy of Sener and Savarese 2018): within a factor of two of the best cover there is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def farthest_first(rows: npt.NDArray[np.float32], count: int) -> list[int]:
    """Indices of ``count`` rows, each as far as can be from all before it. rows: (N, D). The first is the nearest to the mean.

    Equal rows are taken last; ties go to the smaller index. count above N gives all of them.
    """
    if rows.ndim != 2:
        raise ValueError(f"expected (N, D) rows, got {rows.shape}")
    if not len(rows) or count < 1:
        return []
    chosen = [int(np.argmin(((rows - rows.mean(axis=0)) ** 2).sum(axis=1)))]
    left = ((rows - rows[chosen[0]]) ** 2).sum(axis=1)
    left[chosen[0]] = -1.0
    while len(chosen) < min(count, len(rows)):
        chosen.append(int(np.argmax(left)))
        left = np.minimum(left, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
        left[chosen] = -1.0
    return chosen
