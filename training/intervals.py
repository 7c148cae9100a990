"""95 % intervals of what was measured on few objects of few pictures: never without width, however right every answer was.

What each interval covers is measured by benchmarks/intervals.py.

Resampling pictures (Efron 1979) says nothing where all answers are alike: every resample of eight right answers is eight right answers.
So an interval here is as wide as the resamples are, and at least as wide as Wilson's (1927) for as many independent objects as there are in
truth: objects of one picture are alike, which counts as Kish's (1965) design effect with the correlation ALIKE.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

COVERAGE = 0.95  # of every interval
QUANTILE = 1.959964  # of the normal distribution, for COVERAGE
ALIKE = 0.2  # correlation of right answers within a picture that is reckoned with
SIMULATED = 1000  # draws of chance for the calibration error: its ends move by less than a hundredth

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


def middle(values: Floats) -> Interval:
    """The middle COVERAGE of resampled values: percentile bootstrap."""
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def wilson(share: float, count: float) -> Interval:
    """Of a share of so many independent objects (need not be whole). (0, 1) without any."""
    if count <= 0:
        return 0.0, 1.0
    z = QUANTILE**2 / count
    centre, half = (share + z / 2) / (1 + z), QUANTILE * (share * (1 - share) / count + z / count / 4) ** 0.5 / (1 + z)
    # at 0 and at 1 the arithmetic misses the end by a rounding
    return (0.0 if share <= 0 else max(0.0, centre - half)), (1.0 if share >= 1 else min(1.0, centre + half))


def design_effect(counts: Floats) -> float:
    """How many objects of these groups weigh as one independent one. counts: (G,) objects of each group, some may be empty."""
    total = counts.sum()
    return float(1 + ALIKE * ((counts**2).sum() / total - 1)) if total else 1.0


def mean_count(counts: Floats) -> float:
    """Objects that a mean over labels is worth, each label weighing the same: a rare one makes it little. counts: (L,) of each label."""
    seen = counts[counts > 0]
    return float(len(seen) ** 2 / (1 / seen).sum()) if len(seen) else 0.0


def widened(resampled: Floats, share: float, count: float) -> Interval:
    """The middle of the resampled values, at least as wide as Wilson's interval of the share. count: independent objects."""
    (low, high), (least, most) = middle(resampled), wilson(share, count)
    return min(low, least), max(high, most)


def of_share(hits: Floats, asked: Floats, weights: Floats) -> Interval:
    """Of hits among what was asked. hits, asked: (G,) counts of each group. weights: (B, G) how often each is in each resample."""
    total = asked.sum()
    if not total:
        return 0.0, 1.0
    drawn = weights @ asked
    resampled = (weights @ hits)[drawn > 0] / drawn[drawn > 0]
    return widened(resampled, float(hits.sum() / total), float(total) / design_effect(asked))


def of_calibration(error: float, right: float, bins: Floats, groups: Floats, *, seed: int) -> Interval:
    """Of an expected calibration error.

    error: as measured. right: objects whose guess is right. bins, groups: (K,), (G,) objects of each bin of confidence, of each group.
    What was measured is off by no more than what chance makes of each bin (the triangle inequality), and chance alone lifts it: with few
    objects an honest head has an error too. So chance is drawn, and goes both ways from what was measured.
    """
    total = float(bins.sum())
    if not total:
        return 0.0, 1.0
    count = total / design_effect(groups)
    # two right and two wrong more (Agresti and Coull 1998): no share is 0 or 1
    share = (right / total * count + QUANTILE**2 / 2) / (count + QUANTILE**2)
    held = bins[bins > 0]
    chance = np.random.default_rng(seed).binomial(held.astype(np.int64), share, size=(SIMULATED, len(held)))
    off = np.abs(chance - held * share).sum(axis=1) / total * (total / count) ** 0.5
    reach = float(np.quantile(off, COVERAGE))
    return max(0.0, error - reach), min(1.0, error + reach)
