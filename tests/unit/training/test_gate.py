"""The gate's decisions, row by row."""

from __future__ import annotations

import pytest

from dinolabel.training.evaluation import promotion_gate
from dinolabel.training.evaluation.promotion_gate import (
    HELD_OUT,
    LEFT_OUT,
    NOTHING,
    DataChanges,
    decide,
    difference,
    has_enough,
)
from dinolabel.training.metrics import EvaluationReport, evaluate_answers
from dinolabel.vision.types import Named, Unknown


def judged(*marks: str | None, labels: str = "ab", groups: int | None = None) -> EvaluationReport:
    """One string a label: `+` right, `-` named wrong, `.` left unnamed; None: ten objects of a label that the head does not know.
    The n-th objects of all labels are in one picture."""
    truth, said, where = [], [], []
    known = [label for label, string in zip(labels, marks, strict=False) if string is not None]
    for label, string in zip(labels, marks, strict=False):
        wrong = labels[(labels.index(label) + 1) % len(labels)]
        for at, mark in enumerate(string or "." * 10):
            truth.append(label)
            said.append({"+": Named(label, 0.9), "-": Named(wrong, 0.9), ".": Unknown(label, 0.3)}[mark])
            where.append(f"picture {at % groups if groups else at:03d}")
    return evaluate_answers(truth, said, groups=where, labels=known)


GOOD, FAIR, POOR = "+" * 10, "+" * 7 + "-" * 3, "+" * 3 + "-" * 7
PLENTY = DataChanges(changed=20, of=100)


@pytest.mark.parametrize(
    ("candidate", "current", "news", "publish", "why"),
    [
        # no current head: absolute floors
        ([GOOD, GOOD], None, None, True, "Macro-F1 1.00 (95 % interval 0.81 to 1.00) on 20 objects of 10 pictures held out"),
        ([FAIR, FAIR], None, None, True, "Macro-F1 0.70"),
        ([POOR, POOR], None, None, False, "Not good enough yet: macro-F1 0.30"),
        ([GOOD, "." * 10], None, None, False, "Not good enough yet: macro-F1 0.50"),
        ([GOOD, "+++......."], None, None, False, "Names hardly found: b in 3 of 10 (floor 40%)"),
        # few objects of a label say nothing of it alone
        ([GOOD, "+..."], None, None, True, "No name is lost"),
        # a current head: no loss beyond the interval
        ([GOOD, GOOD], [FAIR, FAIR], PLENTY, True, "Macro-F1 1.00 against the current head's 0.70"),
        ([FAIR, FAIR], [GOOD, GOOD], PLENTY, False, "It would lose: macro-F1 0.70 against the current head's 1.00"),
        (["+" * 9 + "-", GOOD], [GOOD, GOOD], PLENTY, True, "(-0.05, 95 % interval -0.15 to +0.00)"),
        # worth a switch: better, or much to have learnt from
        ([GOOD, GOOD], [GOOD, GOOD], PLENTY, True, "20 of 100 approved boxes are news"),
        ([GOOD, GOOD], [GOOD, GOOD], DataChanges(4, 100), False, "only 4 of 100 approved boxes are news: not worth a switch"),
        ([GOOD, GOOD], [GOOD, GOOD], DataChanges(5, 100), True, "5 of 100"),
        ([GOOD, GOOD], [FAIR, GOOD], DataChanges(1, 100), True, "against the current head's 0.85"),
        ([GOOD, GOOD], [GOOD, GOOD], DataChanges(0, 100), False, "0 of 100"),
        ([GOOD, GOOD], [GOOD, GOOD], DataChanges(1, 100, added=("c",)), True, "It adds c"),
        ([GOOD, GOOD], [GOOD, GOOD], DataChanges(1, 100, removed=("c", "d")), True, "It no longer knows c, d"),
        ([GOOD, GOOD], [FAIR, FAIR], DataChanges(0, 100, same=True), False, "nothing new"),
        # below the floor for a label, but the current head is no better at it
        ([GOOD, "." * 10], [GOOD, "." * 10], PLENTY, True, "No name is lost"),
        ([GOOD, "+" + "." * 9], [GOOD, None], DataChanges(9, 100, added=("b",)), True, "It adds b"),
        ([GOOD, "+" + "." * 9], [FAIR, "+++++" + "." * 5], PLENTY, False, "Names hardly found: b in 1 of 10"),
        ([GOOD, "+" + "." * 9], [FAIR, "++" + "." * 8], PLENTY, True, "No name is lost"),  # one object of ten is chance
    ],
)
def test_on_held_out_pictures(
    candidate: list[str], current: list[str | None] | None, news: DataChanges | None, publish: bool, why: str
) -> None:
    decision = decide(judged(*candidate), judged(*current) if current else None, basis=HELD_OUT, news=news)
    assert decision.publish is publish, decision.reason
    assert why in decision.reason


@pytest.mark.parametrize(
    ("candidate", "publish", "why"),
    [
        (["++", "++"], True, "so each was left out in turn. Macro-F1 1.00"),
        (["+-", "+-"], True, "Macro-F1 0.50"),  # its best case is well above the floor
        (["-" * 10, "-" * 10], False, "macro-F1 0.00"),
        (["+" + "-" * 29, "-" * 30], False, "macro-F1 0.02"),
    ],
)
def test_left_out_in_turn_only_what_its_best_case_condemns(candidate: list[str], publish: bool, why: str) -> None:
    decision = decide(judged(*candidate), None, basis=LEFT_OUT)
    assert decision.publish is publish
    assert why in decision.reason


def test_one_picture_per_name_is_published_unjudged() -> None:
    decision = decide(None, None, basis=NOTHING)
    assert decision.publish
    assert "unjudged" in decision.reason


def test_every_check_is_told_even_when_another_failed() -> None:
    decision = decide(judged(FAIR, "." * 10), judged(GOOD, GOOD), basis=HELD_OUT, news=DataChanges(1, 100))
    assert [(check.name, check.passed) for check in decision.checks] == [
        ("no loss of macro-F1", False),
        ("worth a switch", False),
        ("recall of each label", False),
    ]
    assert "It would lose" in decision.reason and "Names hardly found" in decision.reason


def test_heads_are_compared_on_the_names_both_know() -> None:
    """A head that adds a name is not better for it alone, nor worse for what the old one could not say."""
    old = evaluate_answers(["a", "c"], [Named("a", 0.9), Unknown("a", 0.4)], groups=["1", "2"], labels=["a"])
    new = evaluate_answers(["a", "c"], [Named("a", 0.9), Named("c", 0.9)], groups=["1", "2"], labels=["a", "c"])
    found = difference(new, old, seed=0)
    assert (found.candidate, found.current, found.point, found.low, found.high) == (1.0, 1.0, 0.0, 0.0, 0.0)
    assert not found.same_labels
    assert (
        "F1 of a 1.00 against" in decide(new, old, basis=HELD_OUT, news=DataChanges(1, 2, added=("c",))).reason
    )  # of one name there is no mean


def test_the_names_both_know_are_named_where_there_are_several() -> None:
    decision = decide(judged(GOOD, GOOD, GOOD, labels="abc"), judged(GOOD, GOOD, None, labels="abc"), basis=HELD_OUT, news=PLENTY)
    assert "Macro-F1 over the names both know" in decision.reason


@pytest.mark.parametrize(
    ("marks", "labels", "opening"),
    [
        (["++++", "++++"], "ab", "8 of 8 right on pictures it had not seen: too few to promise more. Macro-F1 1.00 (95 % interval 0."),
        (["+", "+"], "ab", "2 of 2 right on pictures it had not seen: too few to promise more. "),
        (["++++-", "+++.+"], "ab", "8 of 10 right on pictures it had not seen: too few to promise more. "),
        (["+-..", "-..."], "ab", "1 of 8 right on pictures it had not seen: too few to promise more. Not good enough yet: macro-F1"),
        (["+" * 10, "+" * 9], "ab", "19 of 19 right on pictures it had not seen: too few to promise more. "),
        (["+" * 10, "+" * 10], "ab", "20 of 20 right on pictures it had not seen. Macro-F1 1.00 (95 % interval 0.8"),
        (["+++++"], "a", "It tells a or not: 5 of 5 found on pictures it had not seen, and no stranger to test it on: too few"),
    ],
)
def test_words_come_first(marks: list[str], labels: str, opening: str) -> None:
    assert decide(judged(*marks, labels=labels), None, basis=HELD_OUT).reason.startswith(opening)


@pytest.mark.parametrize(
    ("unknown", "words"),
    [
        ("++-", "5 of 5 found on videos it had not seen, 2 of 3 strangers left unnamed: too few to promise more."),
        ("", "5 of 5 found on videos it had not seen, and no stranger to test it on: too few to promise more."),
    ],
)
def test_a_head_with_one_name_tells_what_it_does(unknown: str, words: str) -> None:
    said = [Named("tom", 0.9)] * 5 + [Unknown("tom", 0.4) if each == "+" else Named("tom", 0.9) for each in unknown]
    found = evaluate_answers(["tom"] * 5 + [None] * len(unknown), said, groups=[str(at) for at in range(len(said))], labels=["tom"])
    decision = decide(found, None, basis=HELD_OUT, sources="videos")
    assert decision.publish and words in decision.reason
    assert "acro-F1" not in decision.reason
    assert not {"macro_f1", "macro_f1_interval"} & set(found.metrics())


@pytest.mark.parametrize(
    ("candidate", "publish"),
    [("--", False), ("-" * 20, False), ("+-", True)],
)
def test_what_is_printed_decides_nothing(candidate: str, publish: bool) -> None:
    """Two of two wrong: the printed interval goes to 0.7, above the floor; the best of its resamples is 0."""
    found = judged(candidate, candidate)
    assert found.macro_f1_interval[1] > 0.1
    assert decide(found, None, basis=LEFT_OUT).publish is publish


def test_equal_answers_do_not_prove_that_two_heads_are_equal() -> None:
    decision = decide(judged(GOOD, GOOD), judged(GOOD, GOOD), basis=HELD_OUT, news=PLENTY)
    assert "(+0.00, 95 % interval -0.19 to +0.19)" in decision.reason


def test_the_same_groups_or_nothing() -> None:
    with pytest.raises(ValueError, match="same groups"):
        difference(judged("++", "++"), judged("+++", "+++"), seed=0)


@pytest.mark.parametrize(
    ("found", "labels", "expected"),
    [
        (None, "ab", False),
        (judged("++", "++"), "ab", True),
        (judged("+", "+"), "ab", False),  # one picture each
        (judged("++++", "++++", groups=1), "ab", False),  # many objects, one picture
        (judged("++", "+"), "ab", True),  # half of the names
        (judged("++", "+", labels="abc"), "abc", False),  # a third of them
        (judged("++", labels="a"), "a", True),
    ],
)
def test_enough_is_two_pictures_of_half_the_names(found: EvaluationReport | None, labels: str, expected: bool) -> None:
    assert has_enough(found, list(labels)) is expected


def test_news_are_material_from_a_twentieth_on() -> None:
    assert [DataChanges(changed, 100).material for changed in (0, 4, 5, 6)] == [False, False, True, True]
    assert [DataChanges(changed, 3).material for changed in (0, 1)] == [False, True]
    assert promotion_gate.NEWS == 0.05


def of_objects(marks: str, *, before: int = 0, unknown: str = "") -> EvaluationReport:
    """One string of named objects of a and b by turns, each in a picture of its own (`before`: how many of them were approved earlier)."""
    labels = ["ab"[at % 2] for at in range(len(marks))]
    said = [{"+": Named(label, 0.9), "-": Named("ab"["ba".index(label)], 0.9)}[mark] for label, mark in zip(labels, marks, strict=True)]
    truth: list[str | None] = [*labels, *[None] * len(unknown)]
    answers = [*said, *({"+": Unknown("a", 0.4), "-": Named("a", 0.9)}[mark] for mark in unknown)]
    kept = slice(before or None)
    return evaluate_answers(truth[kept], answers[kept], groups=[f"{at:04d}" for at in range(len(truth))][kept], labels=["a", "b"])


def test_a_loss_of_five_points_must_be_ruled_out_where_it_can_be() -> None:
    """Two points lost: with 2,000 objects surely less than five, with 200 nobody knows, with 40 nothing can be known."""
    decisions = {}
    for count in (2000, 200, 40):
        wrong = max(1, count // 50)
        candidate = of_objects("-" * (wrong + count // 20) + "+" * (count - wrong - count // 20))
        current = of_objects("+" * (count - count // 20) + "-" * (count // 20))
        decisions[count] = decide(candidate, current, basis=HELD_OUT, news=PLENTY)
    assert not decisions[200].publish and "It may lose 0.05 or more" in decisions[200].reason
    assert not decisions[2000].publish and "It would lose" in decisions[2000].reason  # less than five points, and surely something
    assert decisions[40].publish


def test_many_objects_and_no_loss_is_a_yes() -> None:
    assert decide(of_objects("+" * 190 + "-" * 10), of_objects("-" * 10 + "+" * 190), basis=HELD_OUT, news=PLENTY).publish


def test_what_was_approved_before_betrays_a_spoilt_batch() -> None:
    """The new half of the truth is wrong, and the candidate has learnt it: better on the whole, worse on what is surely right."""
    candidate, current = of_objects("-" * 8 + "+" * 52), of_objects("+" * 40 + "-" * 20)
    settled = (of_objects("-" * 8 + "+" * 52, before=40), of_objects("+" * 40 + "-" * 20, before=40))
    assert decide(candidate, current, basis=HELD_OUT, news=PLENTY).publish
    decision = decide(candidate, current, basis=HELD_OUT, news=PLENTY, settled=settled)
    assert not decision.publish
    assert "It forgets: macro-F1 0.80 against 1.00 on the 40 held-out objects approved before" in decision.reason
    assert "Found less often: a in 16 of 20 (was 20), now called b, b in 16 of 20 (was 20), now called a" in decision.reason


@pytest.mark.parametrize(
    ("objects", "wrong", "publish"),
    [
        (20, 1, False),  # 5 points
        (60, 3, False),
        (19, 1, True),  # more points, of too few objects
        (100, 3, True),  # 3 points
        (20, 0, True),
    ],
)
def test_four_points_lost_of_twenty_objects_approved_before_are_too_many(objects: int, wrong: int, publish: bool) -> None:
    """Whether or not the loss may be chance."""
    settled = (of_objects("-" * wrong + "+" * (objects - wrong)), of_objects("+" * objects))
    assert difference(*settled, seed=0).high == 0, "the interval holds 0"
    decision = decide(of_objects("+" * 40), of_objects("+" * 40), basis=HELD_OUT, news=PLENTY, settled=settled)
    assert decision.publish is publish, decision.reason
    assert publish or f"on the {objects} held-out objects approved before" in decision.reason


@pytest.mark.parametrize(
    ("candidate", "current", "publish"),
    [
        ("++++++----", None, True),
        ("++++------", None, False),
        ("++++------", "++++------", True),  # no worse than now: refusing would help nobody
        ("+" * 30 + "-" * 10, "+" * 39 + "-", False),  # above the floor, and clearly less than now
        ("++++------", "+++-------", True),
        ("----", None, True),  # too few to ask
    ],
)
def test_strangers_must_stay_strangers(candidate: str, current: str | None, publish: bool) -> None:
    named = "+" * 40
    before = None if current is None else of_objects(named, unknown=current)
    decision = decide(of_objects(named, unknown=candidate), before, basis=HELD_OUT, news=PLENTY)
    assert decision.publish is publish, decision.reason
    assert publish or "It names strangers" in decision.reason


def test_fewer_boxes_are_trusted_when_they_do_clearly_better() -> None:
    """Of few held-out objects the interval is wide either way."""
    fewer, right = DataChanges(changed=90, of=60, before=150), "+" * 8
    better, current, other = judged("--++++++", right), judged("++++----", right), judged("++++++--", right)
    gain, none = difference(better, current, seed=0), difference(better, other, seed=0)
    assert gain.low <= -promotion_gate.MARGIN < promotion_gate.MARGIN <= gain.point
    assert none.low <= -promotion_gate.MARGIN and none.point == 0
    assert decide(better, current, basis=HELD_OUT, news=fewer).publish
    assert "It may lose" in decide(better, other, basis=HELD_OUT, news=fewer).reason
