"""What the embedder's figures are made of: named crops are not measured on, and the figures move with what they are about."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.vision.types import Embeddings
from recipes.nano.identities import DRAWS, KNOWN, SHOTS, TESTS, drawn

DESIGNS = [f"vendor-{number}" for number in range(KNOWN + 2)]


def crops(spread: float, centres: int = len(DESIGNS)) -> dict[str, Embeddings]:
    """Unit vectors of each design around its own centre, or around one of fewer that they share."""
    rng = np.random.default_rng(0)
    rows = {d: np.eye(32)[n % centres] + spread * rng.standard_normal((SHOTS + TESTS, 32)) for n, d in enumerate(DESIGNS)}
    return {d: (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32) for d, v in rows.items()}


def test_every_crop_is_named_known_or_unknown_and_never_two_of_them() -> None:
    for draw in drawn(crops(0.1), 0):
        parts = [draw.shots, *draw.known.values(), draw.unknown]
        assert draw.shots.shape == (KNOWN * SHOTS, 32)
        assert len(np.unique(np.concatenate(parts), axis=0)) == sum(map(len, parts)) == len(DESIGNS) * (SHOTS + TESTS)
        assert set(draw.names) == set(draw.known)


def test_designs_far_apart_are_told_apart_and_unknown_ones_noticed() -> None:
    draws = drawn(crops(0.02), 0)
    assert len(draws) == DRAWS
    assert all(all(draw.naming()) and draw.separation() == 1.0 for draw in draws)


def test_designs_that_look_the_same_are_told_apart_by_chance_and_not_noticed() -> None:
    draws = drawn(crops(0.1, centres=1), 0)
    assert np.mean([told for draw in draws for told in draw.naming()]) == pytest.approx(1 / KNOWN, abs=0.1)
    assert np.mean([draw.separation() for draw in draws]) == pytest.approx(0.5, abs=0.1)


def test_the_same_noun_is_always_drawn_the_same_way() -> None:
    one, other = drawn(crops(0.1), 3), drawn(crops(0.1), 3)
    assert all(np.array_equal(a.shots, b.shots) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(one[0].shots, drawn(crops(0.1), 4)[0].shots)
