"""Sides are fixed for ever: a change of this file's rows would move images between training and test."""

from __future__ import annotations

import hashlib

import pytest

from dinolabel.vision.bundles.split import split_side


@pytest.mark.parametrize(("group", "wanted"), [("", "train"), ("a", "train"), ("b", "held_out"), ("photo-1", "train"), ("größe", "train")])
def test_known_sides(group: str, wanted: str) -> None:
    assert split_side(group) == wanted


def test_about_a_quarter_is_held_out() -> None:
    held = sum(split_side(hashlib.sha256(str(number).encode()).hexdigest()) == "held_out" for number in range(4000))
    assert 900 < held < 1100
