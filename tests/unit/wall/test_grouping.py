"""What is alike: clusters, tightness, likeness, suggestions and the map."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.wall.grouping import clusters, crop_map, similarity
from dinolabel.wall.grouping.suggestions import CHOSEN, SuggestionPolicy


def identities(count: int, each: int, *, spread: float = 0.15, dim: int = 64, seed: int = 0, offset: float = 0.0):
    """(rows, names): `each` crops of `count` people, people far apart, crops of one near each other; offset: a common direction."""
    rng = np.random.default_rng(seed)
    centres = similarity.unit_rows(rng.normal(size=(count, dim)))
    rows = np.repeat(centres, each, axis=0) + spread * rng.normal(size=(count * each, dim)) / np.sqrt(dim)
    rows[:, 0] += offset
    return similarity.unit_rows(rows), [f"person {at // each}" for at in range(count * each)]


def test_crops_of_one_person_come_together_largest_group_first() -> None:
    rows, _ = identities(3, 4)
    rows = np.concatenate([rows, rows[:1]])  # the first has five
    assert [sorted(each) for each in clusters.cluster_rows(rows)] == [[0, 1, 2, 3, 12], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_rows_are_no_trouble(number: int) -> None:
    rows, _ = identities(max(1, number), 1)
    assert sorted(at for each in clusters.cluster_rows(rows[:number]) for at in each) == list(range(number))
    assert crop_map.lay_out(rows[:number]).shape == (number, 2)


def test_more_rows_than_are_linked_at_once_lose_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "AT_ONCE", 50)
    rows, names = identities(40, 10)
    found = clusters.cluster_rows(rows)
    assert sorted(at for each in found for at in each) == list(range(400))
    assert all(len({names[at] for at in each}) == 1 for each in found)
    assert len(found) < 60  # a person whose crops lie on a border may be in two parts


def test_copies_of_one_row_are_split_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "AT_ONCE", 50)
    found = clusters.cluster_rows(np.tile(similarity.unit_rows(np.ones((1, 8))), (120, 1)))
    assert sum(map(len, found)) == 120


def test_tightness_is_learnt_from_names_and_keeps_people_apart() -> None:
    rows, names = identities(4, 10, spread=0.5)
    tight = clusters.tightness(rows, names)
    assert tight != clusters.TIGHT
    assert all(len({names[at] for at in each}) == 1 for each in clusters.cluster_rows(rows, tight))
    assert clusters.tightness(rows[:10], names[:10]) == clusters.TIGHT  # one name tells nothing


def test_rows_that_all_point_one_way_are_told_apart_once_their_mean_is_off() -> None:
    rows, names = identities(5, 8, offset=4.0)
    assert (rows @ rows.T).min() > 0.8  # as cosines of face descriptors are
    found = clusters.cluster_rows(similarity.comparable_rows(rows))
    assert sorted(len(each) for each in found) == [8] * 5
    assert all(len({names[at] for at in each}) == 1 for each in found)


def test_a_counterexample_puts_what_is_like_it_behind() -> None:
    rows, _ = identities(2, 3)
    plain = similarity.similarity_to(rows, rows[:1])
    told = similarity.similarity_to(rows, rows[:1], rows[3:4])
    assert (told[:3] == plain[:3]).all()
    assert (told[3:] < plain[3:]).all()


def test_likeness_by_blocks_is_likeness_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = identities(9, 9)
    once = similarity.similarity_to(rows, rows[:20])
    monkeypatch.setattr(similarity, "BLOCK", 7)
    assert np.allclose(similarity.similarity_to(rows, rows[:20]), once)


def test_the_line_between_likely_and_not_follows_the_answers() -> None:
    policy = SuggestionPolicy()
    assert policy.is_likely(CHOSEN) and not policy.is_likely(CHOSEN - 0.01)
    for step in range(20):
        policy.learn(0.67 + step / 1000, right=True)
        policy.learn(0.62 + step / 1000, right=False)
    assert policy.is_likely(0.67) and not policy.is_likely(0.63)
    assert policy.is_worth_showing(0.55) and not policy.is_worth_showing(0.45)


def test_a_few_answers_about_far_names_do_not_hide_all_others() -> None:
    policy = SuggestionPolicy()
    for _ in range(30):
        policy.learn(0.9, right=False)
        policy.learn(0.95, right=True)
    assert policy.is_likely(0.75)


def test_the_map_puts_alike_crops_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crop_map, "SAMPLE", 60)
    rows, names = identities(4, 30)
    places = crop_map.lay_out(rows)
    assert places.shape == (120, 2) and places.min() >= 0 and places.max() <= 1
    own = [np.linalg.norm(places[at] - places[np.asarray(names) == names[at]].mean(axis=0)) for at in range(120)]
    centres = np.stack([places[np.asarray(names) == each].mean(axis=0) for each in sorted(set(names))])
    apart = [np.linalg.norm(centres[i] - centres[j]) for i in range(4) for j in range(i)]
    assert np.median(own) < min(apart) / 2
