"""Labels that were planted wrong come first, and right ones are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinolabel.training.data import features, samples
from dinolabel.training.data.manifest import read
from dinolabel.training.model_selection import label_issues
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.storage.cache import Cache
from tests.blobs import KnownOnly, World

NAMES = tuple(f"n{number}" for number in range(5))


def judged(world: World, folder: Path) -> label_issues.LabelIssues:
    cache = Cache(folder / "cache.sqlite", max_mb=50)
    manifest = read(world.write(folder / "export", cache))
    rows = samples.teaching_rows(manifest, generic_is_unknown=False)
    embedded = features.embed(rows, folder=manifest.folder, policy=manifest.policy, embedder=KnownOnly(), cache=cache)
    everything, _ = samples.gather(embedded, manifest)
    return label_issues.find_label_issues(everything, seed=0)


def plant(world: World, share: float) -> set[str]:
    """Give this share of the objects another name; their region ids."""
    rng = np.random.default_rng(1)
    regions = sorted({row["region"] for row in world.rows})
    wrong = set(rng.choice(regions, round(share * len(regions)), replace=False).tolist())
    for row in world.rows:
        if row["region"] in wrong:
            row["label"] = NAMES[(NAMES.index(row["label"]) + 1 + int(row["region"][1:]) % 4) % 5]
    return wrong


@pytest.mark.parametrize("picture", [0.6, 0.9])
def test_four_of_five_planted_ones_are_in_the_first_tenth(tmp_path: Path, picture: float) -> None:
    world = World(picture=picture).crowd(NAMES, images=40)
    wrong = plant(world, 0.05)
    found = judged(world, tmp_path)
    assert len(found.ranked) == 200 and found.unjudged == 0
    first = {each.region for each in found.ranked[:20]}
    assert len(first & wrong) >= 0.8 * len(wrong)
    assert {each.region for each in found.top(0.1)} <= first
    assert all(0 <= each.doubt <= 1 and each.guess != each.label for each in found.top(0.1))


def test_where_nothing_is_wrong_nothing_is_accused(tmp_path: Path) -> None:
    assert judged(World(picture=0.3).crowd(NAMES, images=12), tmp_path).top(0.1) == ()


def test_a_label_of_one_picture_cannot_be_judged(tmp_path: Path) -> None:
    world = World(picture=0.3).crowd(NAMES[:2], images=6)
    world.add("once", image=3)
    found = judged(world, tmp_path)
    assert found.unjudged == 1 and len(found.ranked) == 12


def test_a_name_under_unknown_is_found_too(tmp_path: Path) -> None:
    world = World(picture=0.4).crowd(NAMES[:3], images=20)
    for image in range(20):
        world.add(f"stranger {image}", image=image, kind="unknown", label="unknown")
    world.add(NAMES[0], image=50, kind="unknown", label="unknown")
    worst = judged(world, tmp_path).ranked[0]
    assert (worst.label, worst.guess, worst.task) == (UNKNOWN_LABEL, NAMES[0], 50)


def test_one_name_alone_accuses_nobody(tmp_path: Path) -> None:
    found = judged(World().crowd(NAMES[:1], images=4), tmp_path)
    assert found.ranked == () and found.unjudged == 4
