"""Promotion gate of a student detector: may it answer in place of the one that taught it? A pure decision with its reasons in words.

Both were asked about the same pictures, of which the student had seen none; whole groups are resampled, for both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.training.evaluation.boxes import BoxFigures, JudgedPicture, Matches, average_precision, f1_at, figures, match, resamples
from dinolabel.training.evaluation.promotion_gate import Check

ENOUGH_GROUPS, ENOUGH_OBJECTS = 18, 30  # below, a bootstrap is too sure of itself: two bad students of five passed on ten pictures
SHARE = 0.95  # of the teacher's AP50 that must be kept
CONFIDENCE = 0.95  # of the one-sided bound
LOSS_F1 = 0.02  # at the thresholds that are served
TIGHT_SHARE = 0.9  # of the teacher's AP75, below which the receipt warns
LEAST_F1 = 0.05  # of a label, that is lost, to be named


@dataclass(frozen=True)
class JudgedDetector:
    """What one detector found in the judged pictures, and the threshold it is served with in each group (G,)."""

    pictures: tuple[JudgedPicture, ...]
    thresholds: npt.NDArray[np.float64]


@dataclass(frozen=True)
class DetectorDecision:
    """judged: whether there was enough to judge by; without, it is offered and not published. bound: of student - SHARE * teacher."""

    publish: bool
    judged: bool
    reason: str
    student: BoxFigures
    teacher: BoxFigures
    bound: float
    groups: int
    objects: int
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def decide(student: JudgedDetector, teacher: JudgedDetector, labels: Sequence[str], *, seed: int = 0) -> DetectorDecision:
    """Raises ValueError when the two were not asked about the same pictures."""
    if [each.truth for each in student.pictures] != [each.truth for each in teacher.pictures]:
        raise ValueError("expected two answers to the same pictures")
    ours, theirs = match(student.pictures, labels), match(teacher.pictures, labels)
    groups, objects = len(ours.groups), int(ours.objects.sum())
    kept = (figures(ours, student.thresholds), figures(theirs, teacher.thresholds))
    bound, lost = compare(ours, theirs, student.thresholds, teacher.thresholds, seed=seed)
    common: dict[str, Any] = {"student": kept[0], "teacher": kept[1], "bound": bound, "groups": groups, "objects": objects}
    if groups < ENOUGH_GROUPS or objects < ENOUGH_OBJECTS:
        counted = f"{objects} objects in {groups} groups of pictures"
        needed = f"{ENOUGH_OBJECTS} in {ENOUGH_GROUPS}"
        return DetectorDecision(False, False, f"Too few to judge: {counted}; needed are {needed}. It is offered, not published.", **common)
    checks = (_boxes(kept, bound), _served(kept, lost))
    failed = [each for each in checks if not each.passed]
    reason = " ".join(each.words for each in failed or checks)
    if failed:
        reason += f" {_advice(ours, theirs, student.thresholds, teacher.thresholds)}"
    return DetectorDecision(not failed, True, reason, checks=checks, warnings=tuple(_warnings(kept)), **common)


def compare(
    ours: Matches, theirs: Matches, our_thresholds: npt.NDArray[np.float64], their_thresholds: npt.NDArray[np.float64], *, seed: int
) -> tuple[float, float]:
    """Lower bound of AP50 - SHARE * the teacher's, and the mean of what F1 loses, over the same resampled groups."""
    drawn = resamples(len(ours.groups), seed=seed)
    gained = average_precision(ours, weights=drawn) - SHARE * average_precision(theirs, weights=drawn)
    lost = f1_at(theirs, their_thresholds, drawn) - f1_at(ours, our_thresholds, drawn)
    return float(np.nanquantile(gained, 1 - CONFIDENCE)), float(np.nanmean(lost))


def _boxes(kept: tuple[BoxFigures, BoxFigures], bound: float) -> Check:
    mine, theirs = kept
    said = f"AP50 {mine.ap50:.3f} against the teacher's {theirs.ap50:.3f}"
    if bound >= 0:
        return Check("boxes", True, f"{said}: surely no less than {SHARE:.0%} of it.")
    return Check("boxes", False, f"{said}: that it keeps {SHARE:.0%} of it is not sure (lower bound {bound:+.3f}).")


def _served(kept: tuple[BoxFigures, BoxFigures], lost: float) -> Check:
    mine, theirs = kept
    said = f"At the threshold of {mine.threshold:.2f} precision {mine.precision:.2f} and recall {mine.recall:.2f}"
    said += f", the teacher's {theirs.precision:.2f} and {theirs.recall:.2f}."
    return Check("served", lost <= LOSS_F1, said if lost <= LOSS_F1 else f"{said} F1 loses {lost:.3f}; at most {LOSS_F1} may be lost.")


def _advice(ours: Matches, theirs: Matches, our: npt.NDArray[np.float64], their: npt.NDArray[np.float64]) -> str:
    """What to label more of: the label whose boxes lose most, and what goes wrong with it."""
    worst, most = "", LEAST_F1
    for number, label in enumerate(ours.labels):
        lost = _f1_of(theirs, number, their) - _f1_of(ours, number, our)
        if lost > most:
            worst, most = label, lost
    of = f" with {worst}" if worst else ""
    counted = ours.score >= our[ours.group]
    missed = ours.objects.sum() - (counted & ours.right).sum()
    wrong = (counted & ~ours.right).sum()
    return f"Review more pictures{of}: it misses {missed:.0f} objects, and finds {wrong} that are none{_negatives(missed, wrong)}."


def _negatives(missed: float, wrong: float) -> str:
    return "; pictures without any help as well" if wrong > missed else ""


def _f1_of(found: Matches, number: int, thresholds: npt.NDArray[np.float64]) -> float:
    rows = (found.label == number) & (found.score >= thresholds[found.group])
    there = found.objects[:, number].sum()
    return float(2 * (rows & found.right).sum() / max(rows.sum() + there, 1)) if there else 1.0


def _warnings(kept: tuple[BoxFigures, BoxFigures]) -> list[str]:
    mine, theirs = kept
    if mine.ap75 >= TIGHT_SHARE * theirs.ap75:
        return []
    return [f"Its boxes are looser: AP75 {mine.ap75:.3f} against {theirs.ap75:.3f}. More approved pictures tighten them."]
