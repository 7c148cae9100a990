"""Some of the study's trials on seeded identities instead of pictures: the gate tells worse from better."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.study import trials
from benchmarks.study.world import World
from dinolabel.training.model_selection.head_selection import HeadCandidate
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.heads.prototype import Prototype
from tests.blobs import DIM, KnownOnly, unit

CROPS, NAMES = 200, 10


@pytest.mark.slow
def test_worse_heads_are_refused_and_better_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    prototype = HeadCandidate("prototype", "prototype", Prototype())
    monkeypatch.setattr(trials, "HEADS", (prototype, prototype))
    rng = np.random.default_rng(0)

    def crops(centre: np.ndarray, count: int) -> np.ndarray:
        return np.stack([unit(centre + 1.8 * unit(rng.normal(size=DIM))) for _ in range(count)]).astype(np.float32)

    names = {f"n{at}": crops(unit(rng.normal(size=DIM)), CROPS) for at in range(NAMES)}
    strangers = np.concatenate([crops(unit(rng.normal(size=DIM)), 20) for _ in range(6)])
    groups = {name: tuple(f"{name} {at}" for at in range(CROPS)) for name in names}
    groups[UNKNOWN_LABEL] = tuple(f"stranger {at}" for at in range(len(strangers)))
    found = trials.run(World(names, strangers, groups), KnownOnly(), count=60, seed=1)  # type: ignore[arg-type]
    told, detail = trials.summary(found), trials.detail(found)
    assert told["trials"] == 60 and sum(row["worse"] for row in detail if row["objects"] == "any") >= 8
    assert told["worse_refused"] >= 0.95
    assert told["better_accepted"] >= 0.9
