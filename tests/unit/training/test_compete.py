"""Folds that keep pictures whole, and the choice among heads."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.training.data.samples import Samples
from dinolabel.training.model_selection import head_selection
from dinolabel.training.model_selection.head_selection import (
    HeadCandidate,
    folds,
    head_candidates,
    out_of_fold,
    select_head,
)
from dinolabel.vision.bundles.bundle import restore_head
from dinolabel.vision.heads.prototype import Prototype
from dinolabel.vision.types import Box


def samples(labels: str, groups: str, *, seed: int = 0, spread: float = 0.4, dim: int = 16) -> Samples:
    """One letter a row: its label, its group. Clusters around a direction for each label."""
    rng = np.random.default_rng(seed)
    centres = {label: rng.normal(size=dim) for label in sorted(set(labels))}
    rows = np.stack([centres[label] + spread * rng.normal(size=dim) for label in labels])
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = tuple(f"{at}/person" for at in range(len(labels)))
    return Samples(unit, tuple(labels), tuple(groups), ids, (Box(0, 0, 50, 50),) * len(labels), np.ones(len(labels), dtype=bool))


@pytest.mark.parametrize(
    ("labels", "groups"),
    [("aabb", "1122"), ("ab", "11"), ("a", "1"), ("ab" * 30, "abcdefghijklmnopqrst" * 3), ("a" * 59 + "b", "abcdefghijklmnopqrst" * 3)],
)
def test_each_row_is_left_out_once_with_its_whole_group(labels: str, groups: str) -> None:
    given = samples(labels, groups)
    masks = list(folds(given, seed=0))
    assert np.sum(masks, axis=0).tolist() == [1] * len(labels)
    for mask in masks:
        left_out = {group for group, out in zip(groups, mask, strict=True) if out}
        assert not left_out & {group for group, out in zip(groups, mask, strict=True) if not out}


def test_few_groups_are_left_out_one_by_one_many_in_three_folds() -> None:
    assert len(list(folds(samples("ab" * 12, "abcdefghijkl" * 2), seed=0))) == 12
    assert len(list(folds(samples("ab" * 13, "abcdefghijklm" * 2), seed=0))) == 3


def test_labels_are_spread_over_the_folds() -> None:
    letters = "abcdefghijklmnopqrstuvwxyzABCD"
    given = samples("a" * 24 + "b" * 6, letters)
    for mask in folds(given, seed=0):
        left_out = [label for label, out in zip(given.labels, mask, strict=True) if out]
        assert (left_out.count("a"), left_out.count("b")) == (8, 2)


def test_a_label_of_one_group_has_no_column_when_it_is_asked_about() -> None:
    logits = out_of_fold(Prototype(), samples("aab", "123"), seed=0)
    assert np.isfinite(logits).tolist() == [[True, True], [True, True], [True, False]]


def test_rows_not_served_are_not_asked_about_but_teach() -> None:
    given = samples("abab", "1122")
    half = Samples(given.embeddings, given.labels, given.groups, given.ids, given.boxes, np.array([True, False, True, False]))
    logits = out_of_fold(Prototype(), half, seed=0)
    assert np.isfinite(logits).tolist() == [[True, True], [False, False], [True, True], [False, False]]


def test_nobody_is_asked_about_what_it_has_seen() -> None:
    """Labels are chance: whoever has seen a row's twin in its group would be right about it."""
    rng = np.random.default_rng(0)
    single = rng.normal(size=(60, 16))
    labels = "".join(rng.permutation(list("ab" * 30)))
    letters = [chr(200 + at) for at in range(60)]
    twins = samples(labels * 2, "".join(letters) * 2)
    rows = np.concatenate([single, single]).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    given = Samples(unit, twins.labels, twins.groups, twins.ids, twins.boxes, twins.primary_view)
    logits = out_of_fold(Prototype(), given, seed=0)
    right = (logits.argmax(axis=1) == given.columns).mean()
    assert right < 0.65


def test_every_head_file_competes_in_every_strength() -> None:
    words = [each.words for each in head_candidates()]
    assert words == ["knn", "linear, C = 1", "linear, C = 10", "linear, C = 100", "prototype"]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("contender", head_candidates(), ids=lambda each: each.words)
def test_every_contender_comes_back_from_its_arrays(contender: HeadCandidate) -> None:
    given = samples("abc" * 6, "123456" * 3)
    fitted = contender.head.fit(given.embeddings, given.labels, seed=0)
    again = restore_head(contender.name, fitted.arrays(), fitted.labels)
    assert np.array_equal(again.logits(given.embeddings), fitted.logits(given.embeddings))


@pytest.mark.parametrize(("labels", "groups"), [("aaaabbbb", "12341234"), ("aaaaaaaa", "12345678")], ids=["four each", "one name"])
def test_few_crops_take_the_prototype_without_a_contest(labels: str, groups: str) -> None:
    choice = select_head(samples(labels, groups), seed=0)
    assert (choice.winner.name, choice.scores) == ("prototype", ())


def test_the_prototype_wins_a_draw() -> None:
    choice = select_head(samples("ab" * 20, "abcdefghij" * 4, spread=0.05), seed=0)
    assert choice.winner.name == "prototype"
    assert len(choice.scores) == 5


def test_the_linear_head_wins_where_one_direction_decides() -> None:
    """Both names vary widely along shared directions and differ a little in one: means hardly see it, a line does."""
    rng = np.random.default_rng(0)
    count = 240
    labels = "ab" * (count // 2)
    rows = rng.normal(size=(count, 8)) * np.array([0.1, *[2.0] * 7])
    rows[:, 0] += np.where(np.arange(count) % 2 == 0, 0.5, -0.5)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    plain = samples(labels, "".join(chr(200 + at // 4) for at in range(count)))
    choice = select_head(Samples(unit, plain.labels, plain.groups, plain.ids, plain.boxes, plain.primary_view), seed=0)
    assert choice.winner.name == "linear"
    means = next(each for each in choice.scores if each.words == head_selection.FEW)
    assert choice.scores[0].macro_f1 > means.macro_f1 + 0.05


def test_neighbours_win_where_a_name_looks_in_many_ways() -> None:
    """Each name has twelve looks, all names about one centre: no mean and no line tells them apart, the crop beside one does."""
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(24, 12))
    at = np.arange(24 * 12) % 24
    rows = looks[at] + 0.15 * rng.normal(size=(len(at), 12))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    plain = samples("".join("ab"[look % 2] for look in at), "".join(chr(200 + each // 24) for each in range(len(at))))
    choice = select_head(Samples(unit, plain.labels, plain.groups, plain.ids, plain.boxes, plain.primary_view), seed=0)
    assert choice.winner.name == "knn"
    assert choice.scores[0].macro_f1 > choice.scores[1].macro_f1 + 0.02


def test_of_very_many_rows_a_part_competes_with_every_label_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_selection, "MOST", 40)
    given = samples("ab" * 60 + "c" * 6, "".join(chr(200 + at // 2) for at in range(126)))
    some = head_selection._subsample(given, seed=0)
    assert 30 <= len(some) <= 50 and set(some.labels) == set("abc")
    assert all(some.groups.count(group) == given.groups.count(group) for group in some.groups)
    assert len(select_head(given, seed=0).scores) == 5
    films = samples("ab" * 60, "".join("123456"[at // 20] for at in range(120)))
    assert head_selection._subsample(films, seed=0) is films, "of few films none can be spared"
