"""Twins: designs made out of a design. Each differs in one respect, and is the same in every run."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recipes.nano.art import SHADED
from recipes.nano.twins import KINDS, SAME, with_twins

SIDE = 96
ORANGE, BLUE, WHITE, GREY = (230, 120, 20), (30, 80, 220), (250, 250, 250), (150, 150, 150)
NAME = ("owl", "some-vendor")


def disc(rim: tuple[int, int, int], middle: tuple[int, int, int], *, lit: float = 0.0) -> np.ndarray:
    """SIDE x SIDE RGBA: a disc with a smaller one inside; `lit` darkens it towards its foot."""
    sprite = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.circle(sprite, (SIDE // 2, SIDE // 2), SIDE // 2 - 2, (*rim, 255), -1)
    cv2.circle(sprite, (SIDE // 2, SIDE // 2), SIDE // 4, (*middle, 255), -1)
    slope = 1 - lit * np.linspace(0, 1, SIDE)[:, None, None]
    sprite[..., :3] = sprite[..., :3] * slope
    return sprite


def twins_of(sprite: np.ndarray, design: str = NAME[1]) -> dict[str, np.ndarray]:
    """By kind."""
    grown = with_twins({(NAME[0], design): sprite})
    return {name.rpartition("+")[2]: twin for (_, name), twin in grown.items() if "+" in name}


def change(sprite: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """(H, W) mean difference of the colours, 0-255; 0 outside the drawing."""
    return np.abs(twin[..., :3].astype(float) - sprite[..., :3]).mean(2) * (sprite[..., 3] > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_twin_keeps_the_outline_and_changes_the_drawing(kind: str) -> None:
    sprite = disc(ORANGE, BLUE, lit=0.6)
    twin = twins_of(sprite)[kind]
    assert twin.dtype == np.uint8
    assert np.array_equal(twin[..., 3], sprite[..., 3])
    assert change(sprite, twin)[sprite[..., 3] > 0].mean() > SAME


def test_the_originals_stay_and_come_first() -> None:
    sprite = disc(ORANGE, BLUE)
    grown = with_twins({NAME: sprite})
    assert next(iter(grown)) == NAME
    assert np.array_equal(grown[NAME], disc(ORANGE, BLUE))


def test_twins_are_the_same_in_every_run() -> None:
    sprite = disc(ORANGE, BLUE, lit=0.6)
    first = twins_of(sprite)
    cv2.setRNGSeed(99)
    again = twins_of(sprite)
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[kind], again[kind]) for kind in first)


def test_two_designs_of_a_noun_get_twins_of_their_own() -> None:
    sprite = disc(ORANGE, BLUE, lit=0.6)
    assert not np.array_equal(twins_of(sprite)["part"], twins_of(sprite, "another-vendor")["part"])


def test_a_grey_drawing_has_no_other_hue() -> None:
    assert "hue" not in twins_of(disc(GREY, WHITE))


def test_one_colour_of_two_changes() -> None:
    sprite = disc(ORANGE, BLUE)
    moved = change(sprite, twins_of(sprite)["part"])
    middle, rim = moved[SIDE // 2, SIDE // 2], moved[SIDE // 2, 8]
    assert max(middle, rim) > 40 and min(middle, rim) < 1


@pytest.mark.parametrize("rim", [GREY, WHITE, (60, 60, 60)])
def test_what_has_no_colour_is_given_one(rim: tuple[int, int, int]) -> None:
    sprite = disc(rim, (0, 0, 0))
    cv2.circle(sprite, (SIDE // 2, SIDE // 2), 3 * SIDE // 8, (0, 0, 0, 255), -1)  # more than half of the drawing
    hsv = cv2.cvtColor(twins_of(sprite)["part"][..., :3], cv2.COLOR_RGB2HSV)
    assert hsv[sprite[..., 3] > 0][:, 1].max() > 50


def test_a_flat_drawing_is_not_flattened_again() -> None:
    assert "flat" not in twins_of(disc(ORANGE, BLUE))


def test_flattening_takes_the_shading_off() -> None:
    sprite = disc(ORANGE, BLUE, lit=0.6)
    flat = twins_of(sprite)["flat"]
    tones = [len(np.unique(each[sprite[..., 3] > 0][:, :3], axis=0)) for each in (sprite, flat)]
    assert tones[1] <= 6 < tones[0]


def test_shading_gives_a_flat_drawing_many_tones_and_leaves_a_shaded_one_alone() -> None:
    sprite = disc(ORANGE, ORANGE)
    lit = twins_of(sprite)["shaded"]
    assert len(np.unique(lit[sprite[..., 3] > 0][:, :3], axis=0)) > 50
    assert "shaded" not in twins_of(sprite, SHADED)
