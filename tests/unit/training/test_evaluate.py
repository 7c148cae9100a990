"""Scores of answers, by rows one can count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.training.metrics import confusions, draw_resamples, evaluate_answers, interval, macro_f1, resample_f1
from dinolabel.vision.types import Answer, Named, Unknown


def answers(*said: str) -> list[Answer]:
    """`a` is a name, `?a` an abstention that would have guessed a."""
    return [Unknown(each[1:], 0.4) if each.startswith("?") else Named(each, 0.9) for each in said]


@pytest.mark.parametrize(
    ("truth", "said", "accuracy", "coverage", "accuracy_named", "f1"),
    [
        ("ab", "ab", 1.0, 1.0, 1.0, 1.0),
        ("ab", "ba", 0.0, 1.0, 0.0, 0.0),
        ("aabb", "aab?", 3 / 4, 3 / 4, 1.0, (1 + 2 / 3) / 2),
        ("aabb", "abbb", 3 / 4, 1.0, 3 / 4, (2 / 3 + 4 / 5) / 2),
        ("aaaa", "a???", 1 / 4, 1 / 4, 1.0, 2 / 5),
        ("ab", "??", 0.0, 0.0, 0.0, 0.0),
        ("ab-", "aba", 1.0, 1.0, 1.0, (2 / 3 + 1) / 2),
        ("ab-", "ab?", 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_scores(truth: str, said: str, accuracy: float, coverage: float, accuracy_named: float, f1: float) -> None:
    """`-` is an unknown object: naming it costs precision, and it counts in no share of named objects."""
    true = [None if each == "-" else each for each in truth]
    given = answers(*(f"?{right}" if each == "?" else each for each, right in zip(said, truth, strict=True)))
    found = evaluate_answers(true, given, groups=[str(at) for at in range(len(truth))], labels=["a", "b"] if "b" in truth else ["a"])
    assert (found.accuracy, found.coverage, found.accuracy_named) == pytest.approx((accuracy, coverage, accuracy_named))
    assert found.macro_f1 == pytest.approx(f1)


def test_each_label_has_its_counts() -> None:
    found = evaluate_answers(["a", "a", "b", None], answers("a", "b", "b", "b"), groups=["1", "2", "2", "3"], labels=["a", "b", "c"])
    assert (found.per_label["a"].objects, found.per_label["a"].groups) == (2, 2)
    assert (found.per_label["a"].recall, found.per_label["a"].precision) == (0.5, 1.0)
    assert (found.per_label["b"].recall, found.per_label["b"].precision) == (1.0, pytest.approx(1 / 3))
    assert (found.per_label["c"].objects, found.per_label["c"].recall, found.per_label["c"].precision) == (0, 0.0, 0.0)
    assert found.unknown is not None
    assert (found.unknown.objects, found.unknown.kept) == (1, 0.0)
    assert found.table.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]


def test_a_label_the_head_does_not_know_counts_against_it() -> None:
    found = evaluate_answers(["a", "new"], answers("a", "a"), groups=["1", "2"], labels=["a"])
    assert found.labels == ("a", "new")
    assert found.known == {"a"}
    assert found.accuracy == 0.5
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_objects_of_one_picture_are_drawn_together() -> None:
    """Ten right objects in one picture and one wrong one in another: pictures vary, so the interval must be wide."""
    truth, said = ["a"] * 11, answers(*["a"] * 10, "?a")
    together = evaluate_answers(truth, said, groups=["1"] * 10 + ["2"], labels=["a"])
    apart = evaluate_answers(truth, said, groups=[str(at) for at in range(11)], labels=["a"])
    assert together.macro_f1 == apart.macro_f1
    assert together.macro_f1_interval == (0.0, 1.0)
    assert 0.5 < apart.macro_f1_interval[0] < 0.8


def test_resampling_keeps_the_number_of_groups_and_the_seed_decides() -> None:
    assert set(draw_resamples(3, 3).sum(axis=1).tolist()) == {3.0}
    assert not np.array_equal(draw_resamples(3, 3), draw_resamples(3, 4))
    tables = confusions(["a", "b", "a"], ["a", "b", None], groups=["1", "2", "3"], labels=["a", "b"])
    by_hand = [float(macro_f1((weights[:, None, None] * tables).sum(axis=0)[None].astype(np.int64))[0]) for weights in draw_resamples(3, 3)]
    assert np.allclose(resample_f1(tables, seed=3), by_hand)


def test_macro_f1_looks_only_at_labels_that_are_there() -> None:
    tables = confusions(["a", "a"], ["a", "a"], groups=["1", "1"], labels=["a", "b"])
    assert macro_f1(tables).tolist() == [1.0]
    assert macro_f1(np.zeros((1, 3, 3), np.int64)).tolist() == [0.0]


def test_calibration_error_is_the_gap_between_said_and_right() -> None:
    said: list[Answer] = [Named("a", 0.9)] * 8 + [Named("b", 0.9)] * 2 + [Unknown("a", 0.35)] * 4
    found = evaluate_answers(["a"] * 14, said, groups=[str(at) for at in range(14)], labels=["a", "b"])
    # ten answers at 0.9, eight right; four guesses at 0.35, all right
    assert found.ece == pytest.approx((10 * 0.1 + 4 * 0.65) / 14)
    assert found.reliability == (pytest.approx((0.35, 1.0, 4)), pytest.approx((0.9, 0.8, 10)))


def test_interval_is_the_middle_of_the_values() -> None:
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(
    ("truth", "said", "groups"),
    [(["a"], [], ["1"]), (["a"], answers("a"), []), ([None], answers("?a"), ["1"]), ([], [], [])],
)
def test_bad_input(truth: list[str | None], said: list[Answer], groups: list[str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        evaluate_answers(truth, said, groups=groups, labels=["a"])
