"""Which nouns are drawn alike: the absent phrases that a detector is most likely to be taken in by."""

from __future__ import annotations

import numpy as np

from recipes.nano.crops import sketch, standardised
from recipes.nano.scenes import Sprites

Rivals = dict[str, tuple[str, ...]]
COUNT = 12


def look_alikes(sprites: Sprites, count: int = COUNT) -> Rivals:
    """Each noun's `count` most alike nouns, nearest first: the distance of two nouns is that of their nearest designs."""
    nouns = sorted({noun for noun, _ in sprites})
    place = np.array([nouns.index(noun) for noun, _ in sprites])
    sketches = standardised(np.stack([sketch(s) for s in sprites.values()]))
    squares = (sketches**2).sum(1)
    between = squares[:, None] + squares[None, :] - 2 * sketches @ sketches.T
    nearest = np.full((len(nouns), len(nouns)), np.inf)
    np.minimum.at(nearest, (place[:, None], place[None, :]), between)
    np.fill_diagonal(nearest, np.inf)
    return {noun: tuple(nouns[i] for i in np.argsort(row, kind="stable")[:count]) for noun, row in zip(nouns, nearest, strict=True)}
