"""What a detector proposes before any threshold, and the step from there to detections: the part that costs no forward pass.

Knows no model; `Pipeline` caches candidates, so that a threshold can be turned for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from vision.suppress import suppress
from vision.types import Box, Detection, Thresholds

FLOOR = 0.05
MOST = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """One box and the phrase that suits it best.

    box: pixels, inside its image. score: best token of the phrase, 0..1. text_score: mean over the phrase's tokens, 0..score.
    """

    box: Box
    phrase: str
    score: float
    text_score: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.text_score <= self.score <= 1.0:
            raise ValueError(f"expected 0 <= text_score <= score <= 1, got text_score {self.text_score}, score {self.score}")


def best(candidates: Iterable[Candidate], *, floor: float = FLOOR, most: int = MOST) -> list[Candidate]:
    """The `most` best candidates with a score of at least `floor`, best first; ties by position."""
    kept = (each for each in candidates if each.score >= floor)
    return sorted(kept, key=lambda each: (-each.score, each.box.xyxy, each.phrase))[:most]


def select(
    candidates: Iterable[Candidate],
    thresholds: Thresholds,
    *,
    width: int,
    height: int,
    labels: Mapping[str, str] | None = None,
    phrase_thresholds: Mapping[str, float] | None = None,
) -> list[Detection]:
    """Detections of one image, best first: thresholds, then duplicates, whole-image boxes, parts and groups left out.

    width, height: pixels of the image. labels: phrase -> label; phrases of one label (synonyms) count as one class when
    duplicates are sought; without it each phrase is its own. phrase_thresholds: overrides thresholds.box for single phrases.
    """
    own = phrase_thresholds or {}
    passed = [each for each in candidates if each.score >= own.get(each.phrase, thresholds.box) and each.text_score >= thresholds.text]
    if not passed:
        return []
    names = [(labels or {}).get(each.phrase, each.phrase) for each in passed]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    kept = suppress(
        np.array([each.box.xyxy for each in passed]),
        np.array([each.score for each in passed]),
        np.array([numbers[name] for name in names], dtype=np.intp),
        iou=thresholds.nms_iou,
        size=(width, height),
        threshold=thresholds.box,
    )
    return [Detection(passed[index].box, passed[index].phrase, passed[index].score) for index in kept]
