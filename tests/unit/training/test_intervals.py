"""Intervals of few objects: they have a width, hold what they should, and narrow with more."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.intervals import FIGURES, Setting, held, simulated
from dinolabel.training.intervals import design_effect, mean_count, of_calibration, of_share, wilson
from dinolabel.training.metrics import EvaluationReport, evaluate_answers
from dinolabel.vision.types import Named, Unknown


def right(objects: int, pictures: int, *, wrong: int = 0, confidence: float = 0.97) -> EvaluationReport:
    """Two names by turns, the last ones left unnamed."""
    truth = ["ab"[at % 2] for at in range(objects)]
    last = objects - wrong
    said = [Named(label, confidence) if at < last else Unknown(None, 0.2) for at, label in enumerate(truth)]
    return evaluate_answers(truth, said, groups=[str(at % pictures) for at in range(objects)], labels=["a", "b"])


@pytest.mark.parametrize("wrong", ["none", "all", "one"])
@pytest.mark.parametrize(("objects", "pictures"), [(1, 1), (2, 2), (5, 4), (8, 8), (13, 8), (30, 1), (30, 4), (400, 100)])
def test_every_interval_has_a_width_and_holds_its_figure(objects: int, pictures: int, wrong: str) -> None:
    found = right(objects, pictures, wrong={"none": 0, "all": objects, "one": 1}[wrong])
    for figure in FIGURES:
        low, high = getattr(found, f"{figure}_interval")
        assert 0 <= low < high <= 1, figure
        # without a name given there is nothing to be right about
        assert low <= getattr(found, figure) <= high, figure


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [
        (1.0, 8, 0.6756, 1.0),
        (1.0, 13, 0.7719, 1.0),
        (1.0, 5, 0.5655, 1.0),
        (0.0, 5, 0.0, 0.4345),
        (0.5, 10, 0.2366, 0.7634),
        (0.3, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_the_book(share: float, count: float, low: float, high: float) -> None:
    assert wilson(share, count) == pytest.approx((low, high), abs=1e-4)


def test_objects_of_one_picture_weigh_less() -> None:
    assert design_effect(np.ones(8)) == 1
    assert design_effect(np.array([4.0, 4.0, 0.0])) == pytest.approx(1.6)
    apart, together = right(12, 12).accuracy_interval[0], right(12, 3).accuracy_interval[0]
    assert apart == pytest.approx(wilson(1.0, 12)[0]) and together < apart - 0.05


def test_a_rare_name_makes_a_mean_uncertain() -> None:
    assert mean_count(np.array([5.0, 5.0])) == pytest.approx(10)
    assert mean_count(np.array([9.0, 1.0, 0.0])) == pytest.approx(3.6)


def test_more_objects_narrow_it() -> None:
    widths = [np.subtract(*right(count, count).macro_f1_interval[::-1]) for count in (5, 10, 40, 160)]
    assert all(more < few for few, more in pairwise(widths))
    assert widths[-1] < 0.05


def test_nothing_asked_is_nothing_known() -> None:
    nothing = np.zeros(3)
    assert of_share(nothing, nothing, np.ones((10, 3))) == (0.0, 1.0)
    assert of_calibration(0.0, 0.0, nothing, nothing, seed=0) == (0.0, 1.0)


def test_an_honest_head_may_be_honest() -> None:
    """Of thirteen objects its error is far from 0 by chance alone; a head that is far too shy is known to be."""
    random = np.random.default_rng(1)
    said = random.uniform(0.5, 1.0, 13)
    answers = [Named("a" if random.random() < each else "b", float(each)) for each in said]
    honest = evaluate_answers(["a"] * 13, answers, groups=[str(at) for at in range(13)], labels=["a", "b"])
    assert honest.ece > 0.1 and honest.ece_interval[0] == 0.0
    assert right(60, 60, confidence=0.4).ece_interval[0] > 0.4


@pytest.mark.parametrize(("objects", "pictures", "accuracy"), [(5, 4, 0.95), (8, 4, 0.7), (13, 8, 0.99), (30, 8, 0.8)])
def test_it_holds_the_truth(objects: int, pictures: int, accuracy: float) -> None:
    """200 simulated projects each; the whole table is benchmarks/intervals.py's. 0.90 is three standard errors below 0.95."""
    random = np.random.default_rng(2)
    setting = Setting(objects, pictures, accuracy, 0.1, (1.0, 0.5, 0.25), "sure")
    found = [held(setting, simulated(setting, random)) for _ in range(200)]
    assert min(np.mean([each[figure][0] for each in found]) for figure in FIGURES) >= 0.9
