"""Near-duplicates stay on one side: the clusters, their names, and a set made to leak."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel.training.data.near_duplicates import BITS, clusters, hash_pixels
from dinolabel.training.data.samples import Samples
from dinolabel.training.model_selection import head_selection
from dinolabel.vision.heads.prototype import Prototype
from dinolabel.vision.types import Box, Pixels
from tests.blobs import DIM, Bench, World, receipt, unit

COPIES, PICTURES = 8, 12


def picture(seed: int) -> Pixels:
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((96, 96), PIL.Image.Resampling.BICUBIC))


def saved_again(pixels: Pixels) -> Pixels:
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).resize((80, 80)).save(out, "JPEG", quality=50)
    return np.asarray(PIL.Image.open(out).convert("RGB"))


def rows(*vectors: np.ndarray) -> np.ndarray:
    return np.stack([unit(np.asarray(each, float)) for each in vectors]).astype(np.float32)


def test_a_picture_saved_again_is_one_group_and_another_of_the_same_thing_is_not() -> None:
    vectors = rows([1, 0.2, 0], [1, 0.25, 0.1], [1, 0.1, 0.15])  # all much alike, as pictures of one thing are
    prints = np.stack([hash_pixels(picture(1)), hash_pixels(saved_again(picture(1))), hash_pixels(picture(2))])
    assert prints.shape == (3, BITS)
    assert clusters(vectors, prints, ["a", "b", "c"], [1, 2, 3]) == ("a", "a", "c")
    assert clusters(vectors, None, ["a", "b", "c"], [1, 2, 3]) == ("a", "b", "c")
    assert clusters(vectors, np.zeros_like(prints), ["a", "b", "c"], [1, 2, 3]) == ("a", "b", "c")


def test_the_oldest_gives_its_name_and_so_its_side() -> None:
    vectors = rows([1, 0], [0, 1], [1, 0.01], [0.01, 1], [1, 1])
    groups = ["m", "z", "a", "b", "q"]
    assert clusters(vectors, None, groups, [5, 1, 9, 2, 3]) == ("m", "z", "m", "z", "q")
    # a third picture joins two clusters that were apart: both come to the oldest
    bridge = ["m", "z", "m", "z", "m"]
    assert clusters(rows([1, 0], [0, 1], [1, 0.01], [0.01, 1], [0.01, 1]), None, bridge, [5, 1, 9, 2, 10])[0] == "z"


def test_a_thing_that_always_looks_the_same_stays_in_its_pictures() -> None:
    """A printed card is its own near-duplicate in every picture: as one group nothing would be left to judge by."""
    card = rows(*[[1, 0.001 * at] for at in range(12)])
    names = [f"{at:02d}" for at in range(12)]
    assert clusters(card, None, names, list(range(12))) == tuple(names)
    few = rows(*[[1, 0.001 * at] for at in range(3)], *np.eye(10)[:, :2].tolist()[1:2], [0.5, -1])
    assert clusters(few, None, names[:5], list(range(5))) == ("00", "00", "00", "03", "04")


@pytest.fixture
def leaky() -> World:
    """Labels that mean nothing, and every picture there eight times, each time a little changed: whoever remembers pictures is right."""
    world = World()
    rng = np.random.default_rng(3)
    for number in range(PICTURES * 2):
        base = unit(rng.normal(size=DIM))
        for copy in range(COPIES):
            world.add(("jason", "lacy")[number % 2], image=number * COPIES + copy, views=1)
            world.vectors[-1] = unit(base + 0.02 * unit(rng.normal(size=DIM)))
    return world


def test_a_leaky_set_scores_high_naively_and_by_chance_with_us(leaky: World, tmp_path: Path) -> None:
    vectors = np.stack(leaky.vectors).astype(np.float32)
    labels, images = tuple(row["label"] for row in leaky.rows), tuple(row["image"] for row in leaky.rows)
    ids = tuple(f"{at}/{at}/r/person" for at in range(len(labels)))
    naive = Samples(vectors, labels, images, ids, (Box(0, 0, 60, 60),) * len(labels), np.ones(len(labels), dtype=bool))
    scores = {name: right(each) for name, each in (("naive", naive), ("ours", naive.merge_duplicates()))}
    assert scores["naive"] >= 0.9
    assert scores["ours"] <= 0.7
    verdict = Bench(tmp_path).train(leaky)
    assert verdict.metrics["accuracy"] <= 0.7
    assert receipt(verdict)["data"]["near_duplicate_pictures"] == PICTURES * 2 * (COPIES - 1)


def right(samples: Samples) -> float:
    logits = head_selection.out_of_fold(Prototype(), samples, seed=0)
    return float(np.mean(np.nanargmax(logits, axis=1) == samples.columns))
