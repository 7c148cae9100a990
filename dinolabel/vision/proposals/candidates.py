"""What a detector proposes before any threshold, and the step from there to detections: the part that costs no forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinolabel.vision.proposals.nms import filter_boxes
from dinolabel.vision.proposals.token_spans import PromptChunk, phrase_scores
from dinolabel.vision.types import Box, Detection, Image, Thresholds

MIN_SCORE = 0.05
MAX_CANDIDATES = 100


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


def to_candidates(
    boxes: Any, phrases: Sequence[str], scores: Any, text_scores: Any | None = None, *, image: Image, floor: float
) -> Iterator[Candidate]:
    """Candidates of one image from a model's arrays, clipped to the image; what is not a box, outside or below the floor is left out.

    boxes: (N, 4) xyxy, pixels. phrases, scores, text_scores: of length N; without text_scores a box has its score for both.
    """
    texts = scores if text_scores is None else text_scores
    for index in np.flatnonzero(scores >= floor):
        x1, y1, x2, y2 = (float(each) for each in boxes[index])
        box = Box(x1, y1, x2, y2).clip(image.width, image.height) if x2 > x1 and y2 > y1 else None
        if box is not None:
            yield Candidate(box, phrases[index], float(scores[index]), float(texts[index]))


def top_k(candidates: Iterable[Candidate], *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES) -> list[Candidate]:
    """The `most` best candidates with a score of at least `floor`, best first; ties by position."""
    kept = (each for each in candidates if each.score >= floor)
    return sorted(kept, key=lambda each: (-each.score, each.box.xyxy, each.phrase))[:most]


def apply_thresholds(
    candidates: Iterable[Candidate],
    thresholds: Thresholds,
    *,
    width: int,
    height: int,
    labels: Mapping[str, str] | None = None,
) -> list[Detection]:
    """Detections of one image, best first: thresholds, then duplicates, whole-image boxes, parts and groups left out.

    width, height: pixels of the image. labels: phrase -> label; phrases of one label (synonyms) count as one class when
    duplicates are sought; without it each phrase is its own.
    """
    passed = [each for each in candidates if each.score >= thresholds.box and each.text_score >= thresholds.text]
    if not passed:
        return []
    names = [(labels or {}).get(each.phrase, each.phrase) for each in passed]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    kept = filter_boxes(
        np.array([each.box.xyxy for each in passed]),
        np.array([each.score for each in passed]),
        np.array([numbers[name] for name in names], dtype=np.intp),
        iou=thresholds.nms_iou,
        size=(width, height),
        threshold=thresholds.box,
    )
    return [Detection(passed[index].box, passed[index].phrase, passed[index].score) for index in kept]


def read_chunk(chunk: PromptChunk, probabilities: Any, boxes: Any, image: Image, *, floor: float) -> Iterator[Candidate]:
    """What one pass says of one image. probabilities: (Q, T) of the chunk's tokens. boxes: (Q, 4) xyxy as shares of the image."""
    winner, score, text_score = phrase_scores(probabilities, chunk.spans)
    pixels = boxes * np.array([image.width, image.height] * 2)
    yield from to_candidates(pixels, [chunk.phrases[each] for each in winner], score, text_score, image=image, floor=floor)
