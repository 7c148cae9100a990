"""How often a box with such a score is right: a line on the score's logit for each label (Platt 1999), fitted on judged boxes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from dinolabel.training.evaluation.boxes import Matches

ENOUGH = 20  # boxes of a label, and five of each kind, for a line of its own; else that of all labels
FEWEST = 5
STRENGTH = 1.0  # of the prior that a line is flat, so that a handful of boxes all right promises no certainty
EDGE = 1e-4  # scores of 0 and 1 have no logit
BINS = 10

Floats = npt.NDArray[np.float64]
Line = tuple[float, float]


def calibrate(found: Matches) -> dict[str, Line]:
    """Label -> slope and intercept on the logit. Empty where boxes are all right, all wrong, or none: there is nothing to learn from."""
    whole = _line(found.score, found.right)
    if whole is None:
        return {}
    lines = {}
    for number, label in enumerate(found.labels):
        rows = found.label == number
        own = _line(found.score[rows], found.right[rows]) if rows.sum() >= ENOUGH else None
        lines[label] = own or whole
    return lines


def confidences(scores: Floats, line: Line | None) -> Floats:
    """(N,) chance that a box is right; the score itself without a line."""
    if line is None:
        return scores
    return np.asarray(1 / (1 + np.exp(-(line[0] * _logit(scores) + line[1]))))


def calibrated(found: Matches, lines: Mapping[str, Line]) -> Floats:
    """(D,) of every box."""
    out = found.score.copy()
    for number, label in enumerate(found.labels):
        rows = found.label == number
        out[rows] = confidences(found.score[rows], lines.get(label))
    return out


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over BINS bins of equal width (Naeini et al. 2015). 0 without boxes."""
    if not len(confidence):
        return 0.0
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    parts = [np.abs(confidence[bins == each].mean() - right[bins == each].mean()) * (bins == each).sum() for each in np.unique(bins)]
    return float(sum(parts) / len(confidence))


def _line(scores: Floats, right: npt.NDArray[np.bool_]) -> Line | None:
    if min(int(right.sum()), int((~right).sum())) < FEWEST:
        return None
    model = LogisticRegression(C=STRENGTH).fit(_logit(scores)[:, None], right)
    return round(float(model.coef_[0, 0]), 4), round(float(model.intercept_[0]), 4)


def _logit(scores: Floats) -> Floats:
    kept = np.clip(scores, EDGE, 1 - EDGE)
    return np.asarray(np.log(kept / (1 - kept)))
