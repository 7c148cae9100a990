"""Approved labels that look wrong: each judged by a head that did not see its picture, the most doubtful first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinolabel.training.data.samples import Codes, Samples
from dinolabel.training.model_selection import calibration
from dinolabel.training.model_selection.calibration import Floats
from dinolabel.training.model_selection.head_selection import out_of_fold, select_head
from dinolabel.vision.images.crop_id import CropId


@dataclass(frozen=True)
class LabelIssue:
    """One approved object. doubt: 0..1, how little its label fits, by cleanlab; 1 is worst. guess: what a head that did not see its
    picture would say, with its calibrated confidence."""

    task: int
    annotation: int
    region: str
    label: str
    guess: str
    confidence: float
    doubt: float


@dataclass(frozen=True)
class LabelIssues:
    """ranked: every object that could be judged, the most doubtful first. unjudged: objects whose label is in no other picture."""

    ranked: tuple[LabelIssue, ...]
    unjudged: int

    def top(self, share: float) -> tuple[LabelIssue, ...]:
        """This share of the judged ones, and never one whose label is what the head says too."""
        most = int(np.ceil(share * len(self.ranked)))
        return tuple(each for each in self.ranked[:most] if each.guess != each.label)


def find_label_issues(samples: Samples, *, seed: int) -> LabelIssues:
    """Rank the served view of each object by the normalised margin of its own label (Northcutt et al. 2021, cleanlab).

    The head is the one that wins on these very samples; its probabilities are out of fold by group, after temperature.
    """
    if len(samples.labels_seen) < 2:
        return LabelIssues((), int(samples.primary_view.sum()))
    winner = select_head(samples, seed=seed).winner
    logits, truth = out_of_fold(winner.head, winner.sees(samples), seed=seed)[samples.primary_view], samples.columns[samples.primary_view]
    judged = np.isfinite(logits[np.arange(len(truth)), truth])
    shares = _shares(logits[judged], truth[judged])
    doubts = _doubts(shares, truth[judged])
    asked = samples.take(samples.primary_view).take(judged)
    found = [
        _suspect(asked.ids[at], asked.labels[at], samples.labels_seen[int(shares[at].argmax())], float(shares[at].max()), float(doubts[at]))
        for at in np.argsort(-doubts, kind="stable")
    ]
    return LabelIssues(tuple(found), int((~judged).sum()))


def _shares(logits: Floats, truth: Codes) -> Floats:
    """(N, L) calibrated probabilities; 0 for labels that a fold did not know."""
    if not len(logits):
        return logits
    return np.exp(calibration.log_softmax(logits / calibration.temperature(logits, truth)))


def _doubts(shares: Floats, truth: Codes) -> Floats:
    if not len(shares):
        return np.zeros(0)
    from cleanlab.rank import get_label_quality_scores

    present, columns = np.unique(truth, return_inverse=True)
    kept = shares[:, present] / shares[:, present].sum(axis=1, keepdims=True)
    if len(present) < 2:
        return np.zeros(len(shares))
    return 1.0 - np.asarray(get_label_quality_scores(columns, kept, method="normalized_margin"), dtype=np.float64)


def _suspect(identity: str, label: str, guess: str, confidence: float, doubt: float) -> LabelIssue:
    crop = CropId.parse(identity)
    return LabelIssue(crop.task, crop.annotation, crop.region, label, guess, round(confidence, 4), round(doubt, 4))
