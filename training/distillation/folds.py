"""Which pictures teach a student, which judge it, and on which its threshold is chosen. Whole groups, by a stable hash of their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.training.evaluation.boxes import JudgedPicture, best_threshold, match
from dinolabel.training.evaluation.detector_gate import ENOUGH_GROUPS, ENOUGH_OBJECTS
from dinolabel.vision.bundles.split import split_share, split_side

HELD_OUT, CROSSED, NOTHING = "held out", "crossed", "nothing"
UNCHOSEN = 0.75  # threshold where no picture is left to choose it on: young students are far too sure (docs/own-detector.md)


@dataclass(frozen=True)
class Fold:
    """taught, judged: groups. name: of the folder its student lies in."""

    name: str
    taught: frozenset[str]
    judged: frozenset[str]


def folds(pictures: Sequence[LabelledPicture]) -> tuple[str, tuple[Fold, ...]]:
    """HELD_OUT: the held-out side is enough to judge by. CROSSED: it is not, so each half judges the student of the other. NOTHING."""
    groups = sorted({each.group for each in pictures}, key=lambda each: (split_share(each), each))
    held = frozenset(each for each in groups if split_side(each) == "held_out")
    objects = sum(len(each.boxes) for each in pictures if each.group in held)
    rest = frozenset(groups) - held
    if len(held) >= ENOUGH_GROUPS and objects >= ENOUGH_OBJECTS and _has_boxes(pictures, rest):
        return HELD_OUT, (Fold("held-out", rest, held),)
    halves = frozenset(groups[0::2]), frozenset(groups[1::2])
    if all(_has_boxes(pictures, each) for each in halves):
        return CROSSED, (Fold("first", halves[0], halves[1]), Fold("second", halves[1], halves[0]))
    return NOTHING, ()


def _has_boxes(pictures: Sequence[LabelledPicture], groups: frozenset[str]) -> bool:
    return any(each.boxes for each in pictures if each.group in groups)


def swapped_thresholds(judged: Sequence[JudgedPicture], labels: Sequence[str], fold_of: Callable[[str], str]) -> npt.NDArray[np.float64]:
    """(G,) for each group, in order of names, the threshold chosen on the other half of its fold: on pictures that neither trained nor
    judge there."""
    groups = sorted({each.group for each in judged})
    chosen: dict[tuple[str, int], float] = {}
    places: dict[str, tuple[str, int]] = {}
    for fold in sorted({fold_of(each) for each in groups}):
        there = sorted((each for each in groups if fold_of(each) == fold), key=lambda each: (split_share(each), each))
        for half in (0, 1):
            others = set(there[1 - half :: 2]) or set(there)
            chosen[fold, half] = best_threshold(match([each for each in judged if each.group in others], labels))
            places |= dict.fromkeys(there[half::2], (fold, half))
    return np.array([chosen[places[each]] for each in groups])
