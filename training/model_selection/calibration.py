"""Calibration, when a head may say a name: a temperature that makes its confidence honest, and two thresholds that let it say "unknown".

Everything here must come from heads that did not see the rows they are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from dinolabel.training.data.samples import Codes
from dinolabel.training.metrics import auroc, fpr_at_95

Floats = npt.NDArray[np.float64]

TEMPERATURES = (0.01, 100.0)
ACCEPT_RIGHT = 0.9  # share of right names wanted among those given: a wrong one slips past tired eyes, a missing one does not
ACCEPT_BETWEEN = (0.5, 0.75)  # below a half, all other names together are likelier; a missing name costs a key too, so not above
FALSE_ACCEPT = 0.05  # share of look-alikes that is aimed at, within the false rejects allowed below
FALSE_REJECT = (0.025, 0.10)  # share of true objects that the distance may turn away; where in it, the look-alikes decide
FALSE_REJECT_UNKNOWN = (0.025, 0.20)  # the same when people have shown what is unknown: they ask for caution
DISTANCES = (0.02, 0.7)  # cosine; below the first every new picture would be unknown, above the second nothing is alike
DISTANCE_UNTRIED = 0.35  # one picture of one name: there is nothing to measure by
DISTANCE_TO_OTHERS = 0.7  # one picture of each of several names: so much of the way to the nearest other one


@dataclass(frozen=True)
class OpenSet:
    """distance: largest cosine distance to the references of the same label at which a name is said.
    false_reject: share of true objects further away than that, left out by group. false_accept: of look-alikes within it, or None.
    auroc, fpr_at_95: how well distance alone tells true objects from look-alikes; None without look-alikes. measured: true distances there
    were. alike: what the look-alikes are, `unknown` objects or `other names`."""

    distance: float
    false_reject: float
    false_accept: float | None
    auroc: float | None
    measured: int
    fpr_at_95: float | None = None
    alike: str = "other names"


def temperature(logits: Floats, truth: Codes) -> float:
    """The T for which softmax(logits / T) has the least log loss. logits: (N, L), NaN: a fold did not know the label; truth: (N,) columns.

    Temperature scaling (Guo et al. 2017) on targets smoothed like Platt's (1999), (n + 1) / (n + 2): without that, rows that are all
    right send T to zero and every confidence to 1. Rows whose true label the fold did not know are left out; none left gives 1.
    """
    usable = np.isfinite(logits[np.arange(len(truth)), truth]) if len(truth) else np.zeros(0, dtype=bool)
    if not usable.any() or logits.shape[1] < 2:
        return 1.0
    target = _smoothed(logits[usable], truth[usable])

    def log_loss(log_t: float) -> float:
        logged = log_softmax(logits[usable] / np.exp(log_t))
        return float(-(target * np.where(target > 0, logged, 0.0)).sum())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(log_loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def log_softmax(logits: Floats) -> Floats:
    """Row-wise over the columns that are not NaN; those stay out with -inf."""
    known = np.where(np.isfinite(logits), logits, -np.inf)
    shifted = known - known.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def negative_log_likelihood(logits: Floats, truth: Codes) -> float:
    """Mean log loss at the true labels; a label that the fold did not know costs as much as a blind guess."""
    if not len(truth):
        return float(np.log(max(2, logits.shape[1])))
    logged = log_softmax(logits)[np.arange(len(truth)), truth]
    return float(-np.where(np.isfinite(logged), logged, -np.log(max(2, logits.shape[1]))).mean())


def accept_threshold(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The lowest confidence in ACCEPT_BETWEEN from which on at least ACCEPT_RIGHT of the answers are right; its upper end if there is none.

    confidence, right: (N,) best guesses of rows that the head did not see; what people called unknown is never right.
    """
    low, high = ACCEPT_BETWEEN
    for hundredth in range(round(low * 100), round(high * 100) + 1):
        kept = confidence >= hundredth / 100
        if not kept.any() or right[kept].mean() >= ACCEPT_RIGHT:
            return hundredth / 100
    return high


def open_set(own: Floats, other: Floats, unknown: Floats) -> OpenSet:
    """The distance threshold, from true objects (own), other names' objects and explicit unknowns: (N,), (N,), (U,), NaN left out.

    Names stand in for the unknown of each other: whoever is not lacy may look like jason does. Where people have shown what is unknown,
    that alone counts. The most generous threshold with at most FALSE_ACCEPT false accepts wins; where the false rejects allowed do not
    reach that far, the one that mistakes fewest of both kinds.
    """
    own, other, unknown = (each[np.isfinite(each)] for each in (own, other, unknown))
    alike = np.concatenate([other, unknown])
    if not len(own):
        distance = DISTANCE_TO_OTHERS * float(np.median(alike)) if len(alike) else DISTANCE_UNTRIED
        return OpenSet(_bounded(distance), 0.0, None, None, 0)
    least, most = FALSE_REJECT_UNKNOWN if len(unknown) else FALSE_REJECT
    choices = [_with_slack(float(np.quantile(own, 1 - share)), len(own), alike) for share in np.arange(least, most + 1e-9, 0.0125)]
    weighed = unknown if len(unknown) else alike
    strict = [each for each in choices if _share(weighed <= each) <= FALSE_ACCEPT]
    distance = max(strict) if strict else min(choices, key=lambda each: (round(_share(own > each) + _share(weighed <= each), 6), -each))
    return OpenSet(
        distance=distance,
        false_reject=_share(own > distance),
        false_accept=_share(weighed <= distance) if len(weighed) else None,
        auroc=auroc(weighed, own) if len(weighed) else None,
        measured=len(own),
        fpr_at_95=fpr_at_95(weighed, own) if len(weighed) else None,
        alike="unknown" if len(unknown) else "other names",
    )


def _smoothed(logits: Floats, truth: Codes) -> Floats:
    known = np.isfinite(logits)
    others = known.sum(axis=1) - 1
    count = np.bincount(truth, minlength=logits.shape[1])[truth]
    right = np.where(others > 0, (count + 1) / (count + 2), 1.0)
    target = np.where(known, ((1 - right) / np.maximum(others, 1))[:, None], 0.0)
    target[np.arange(len(truth)), truth] = right
    return np.asarray(target)


def _with_slack(distance: float, count: int, alike: Floats) -> float:
    """Few distances say little about their tail (the next one is beyond the largest of n in one case of n + 1), so a little is added, but
    not so much as to let look-alikes in."""
    room = max(distance, float(np.quantile(alike, 0.05))) if len(alike) else np.inf
    return _bounded(min(distance * (1 + 1 / count), room))


def _bounded(distance: float) -> float:
    return round(min(max(distance, DISTANCES[0]), DISTANCES[1]), 4)


def _share(which: npt.NDArray[np.bool_]) -> float:
    return float(which.mean()) if len(which) else 0.0
