"""Average precision, thresholds, calibration and the gate of a student, on boxes whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.training.evaluation import box_calibration, detector_gate
from dinolabel.training.evaluation.boxes import (
    JudgedPicture,
    average_precision,
    best_threshold,
    f1_at,
    figures,
    match,
    overlaps,
    resamples,
)
from dinolabel.training.evaluation.detector_gate import JudgedDetector
from dinolabel.vision.types import Box

HERE, THERE, NOWHERE = Box(0, 0, 10, 10), Box(50, 50, 60, 60), Box(80, 0, 90, 10)


def picture(group: str, *found: tuple[Box, float], truth: tuple[Box, ...] = (HERE, THERE), crowds: tuple[Box, ...] = ()) -> JudgedPicture:
    return JudgedPicture(group, tuple((each, "cat") for each in truth), tuple((box, "cat", score) for box, score in found), crowds)


def test_overlap_of_half_a_box() -> None:
    assert overlaps(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6.0]])).round(4).tolist() == [[0.3333, 0.0]]


@pytest.mark.parametrize(
    ("found", "area"),
    [
        ([(HERE, 0.9), (THERE, 0.8)], 1.0),
        ([(HERE, 0.9), (NOWHERE, 0.85), (THERE, 0.8)], 0.5 + 0.5 * 2 / 3),
        ([(NOWHERE, 0.9), (HERE, 0.8)], 0.25),
        ([(HERE, 0.9), (HERE, 0.8)], 0.5),
        ([], 0.0),
    ],
    ids=["all", "a false one between", "a false one first", "twice the same", "nothing"],
)
def test_average_precision_by_hand(found: list[tuple[Box, float]], area: float) -> None:
    assert average_precision(match([picture("a", *found)], ["cat"]))[0] == pytest.approx(area)


def test_a_box_in_a_crowd_is_neither_right_nor_wrong() -> None:
    found = match([picture("a", (NOWHERE, 0.9), (HERE, 0.8), crowds=(NOWHERE,))], ["cat"])
    assert found.right.tolist() == [True]


def test_a_loose_box_counts_at_half_and_not_at_three_quarters() -> None:
    found = match([picture("a", (Box(0, 0, 10, 14), 0.9), truth=(HERE,))], ["cat"])
    assert (figures(found, 0.5).ap50, figures(found, 0.5).ap75) == (1.0, 0.0)


def test_the_threshold_lies_between_right_and_wrong() -> None:
    found = match([picture("a", (HERE, 0.9), (THERE, 0.8), (NOWHERE, 0.3))], ["cat"])
    assert 0.3 < best_threshold(found) <= 0.8
    assert figures(found, best_threshold(found)).f1 == 1.0


def test_nothing_right_gives_a_threshold_that_shows_nothing() -> None:
    assert best_threshold(match([picture("a", (NOWHERE, 0.9))], ["cat"])) == 1.0


def test_a_resample_counts_whole_groups() -> None:
    found = match([picture("a", (HERE, 0.9), (THERE, 0.8)), picture("b")], ["cat"])
    both = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    assert average_precision(found, weights=both).tolist() == [1.0, 0.0, 0.5]
    assert f1_at(found, np.array([0.5, 0.5]), both).round(4).tolist() == [1.0, 0.0, 0.6667]
    assert resamples(5, seed=0).sum(axis=1).tolist() == [5.0] * 1000


def detector(pictures: list[JudgedPicture], threshold: float = 0.5) -> JudgedDetector:
    return JudgedDetector(tuple(pictures), np.full(len({each.group for each in pictures}), threshold))


def answers(count: int, *, missed: int = 0, false: int = 0) -> list[JudgedPicture]:
    """So many pictures; in the first `missed` the second object is not found, in the first `false` a box too many is surest."""
    rows = []
    for at in range(count):
        found = [(HERE, 0.9)] + ([(THERE, 0.8)] if at >= missed else []) + ([(NOWHERE, 0.95)] if at < false else [])
        rows.append(picture(f"{at:03d}", *sorted(found, key=lambda each: -each[1])))
    return rows


@pytest.mark.parametrize(
    ("count", "mine", "theirs", "judged", "publish", "said"),
    [
        (17, {}, {}, False, False, "Too few to judge: 34 objects in 17 groups"),
        (18, {}, {}, True, True, "surely no less than 95%"),
        (36, {"missed": 9}, {}, True, False, "not sure"),
        (36, {}, {"missed": 9}, True, True, "AP50 1.000"),
        (36, {"false": 12}, {}, True, False, "finds 12 that are none; pictures without any help"),
    ],
    ids=["too few groups", "the same", "misses many", "better", "false ones"],
)
def test_the_gate(count: int, mine: dict[str, int], theirs: dict[str, int], judged: bool, publish: bool, said: str) -> None:
    found = detector_gate.decide(detector(answers(count, **mine)), detector(answers(count, **theirs)), ["cat"])
    assert (found.judged, found.publish) == (judged, publish)
    assert said in found.reason


def test_loose_boxes_are_warned_of_and_not_refused() -> None:
    loose = [picture(f"{at:03d}", (Box(0, 0, 10, 14), 0.9), (Box(50, 50, 60, 64), 0.8)) for at in range(20)]
    found = detector_gate.decide(detector(loose), detector(answers(20)), ["cat"])
    assert found.publish
    assert "looser" in found.warnings[0]


def test_answers_to_other_pictures_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same pictures"):
        detector_gate.decide(detector(answers(18)), detector(answers(19)), ["cat"])


def test_calibrated_confidence_is_how_often_a_box_is_right() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.05, 0.95, 600)
    rows = []
    for at, score in enumerate(scores):  # right half as often as the score says
        box = HERE if rng.random() < score / 2 else NOWHERE
        rows.append(picture(f"{at:04d}", (box, float(score)), truth=(HERE,)))
    found = match(rows, ["cat"])
    raw = box_calibration.calibration_error(found.score, found.right)
    lines = box_calibration.calibrate(match(rows[::2], ["cat"]))
    other = match(rows[1::2], ["cat"])
    assert box_calibration.calibration_error(box_calibration.calibrated(other, lines), other.right) < 0.06 < 0.2 < raw


def test_boxes_that_are_all_right_promise_no_certainty() -> None:
    assert box_calibration.calibrate(match(answers(30), ["cat"])) == {}
