from __future__ import annotations

import pytest

from dinolabel.vision.proposals.candidates import Candidate, apply_thresholds, top_k
from dinolabel.vision.types import Box, Thresholds

FACE = Candidate(Box(10, 10, 110, 110), "human face", 0.6, 0.5)
DOG = Candidate(Box(200, 10, 300, 110), "dog", 0.4, 0.26)
FACE_AGAIN = Candidate(Box(20, 10, 125, 110), "face", 0.5, 0.5)


def phrases(*candidates: Candidate, **options: object) -> list[str]:
    thresholds = options.pop("thresholds", Thresholds())
    return [each.phrase for each in apply_thresholds(candidates, thresholds, width=400, height=300, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(), ["human face", "dog"]),
        (Thresholds(box=0.4), ["human face", "dog"]),
        (Thresholds(box=0.41), ["human face"]),
        (Thresholds(text=0.27), ["human face"]),
        (Thresholds(box=0.7), []),
    ],
)
def test_thresholds(thresholds: Thresholds, expected: list[str]) -> None:
    assert phrases(DOG, FACE, thresholds=thresholds) == expected


def test_keeps_box_and_score() -> None:
    (detection,) = apply_thresholds([FACE], Thresholds(), width=400, height=300)
    assert (detection.box, detection.phrase, detection.score, detection.answer) == (FACE.box, "human face", 0.6, None)


def test_synonyms_are_one_class() -> None:
    assert phrases(FACE, FACE_AGAIN) == ["human face", "face"]
    assert phrases(FACE, FACE_AGAIN, labels={"human face": "face", "face": "face"}) == ["human face"]


def test_best_are_cut_and_sorted() -> None:
    weak = Candidate(Box(0, 0, 5, 5), "dog", 0.04, 0.01)
    assert top_k([weak, DOG, FACE]) == [FACE, DOG]
    assert top_k([DOG, FACE], floor=0.4) == [FACE, DOG]
    assert top_k([weak, DOG, FACE], floor=0.0) == [FACE, DOG, weak]
    assert top_k([DOG, FACE, FACE_AGAIN], most=2) == [FACE, FACE_AGAIN]


def test_ties_go_by_position() -> None:
    left, right = (Candidate(Box(x, 0, x + 5, 5), "dog", 0.5, 0.5) for x in (10, 20))
    assert top_k([right, left]) == top_k([left, right]) == [left, right]


@pytest.mark.parametrize(("score", "text_score"), [(1.1, 0.5), (0.5, 0.6), (0.5, -0.1)])
def test_scores_make_sense(score: float, text_score: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= text_score <= score <= 1"):
        Candidate(Box(0, 0, 5, 5), "dog", score, text_score)
