"""What people do to labels: some wrong names among the approved, and a reviewer who deletes the boxes of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.study.world import BOX, POLICY, World
from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import CropRow
from dinolabel.training.model_selection import (
    fit,
    head_selection,
    label_issues,
    suppression,
)
from dinolabel.training.model_selection.fit import FitContext
from dinolabel.training.model_selection.suppression import DecidedBoxes
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Embeddings

WRONG = 0.05  # of the approved labels
TOP = 0.1
CROPS = 50  # of each name
DELETED = 0.5  # of the strangers have been deleted when the belief is made; the others are what is asked


def suspects_recall(world: World, *, draws: int, seed: int = 0) -> float:
    """Share of planted wrong labels among the most doubtful tenth."""
    found = []
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        samples, _ = world.draw(rng, CROPS)
        samples = replace(samples, ids=tuple(f"{at}/{at}/r{at}/person" for at in range(len(samples))))
        planted = rng.permutation(len(samples))[: round(WRONG * len(samples))]
        labels = list(samples.labels)
        for at in planted:
            labels[at] = str(rng.choice([name for name in samples.names if name != labels[at]]))
        ranked = label_issues.find_label_issues(replace(samples, labels=tuple(labels)), seed=0).ranked
        top = {each.task for each in ranked[: round(TOP * len(ranked))]}
        found.append(len(top & set(planted.tolist())) / len(planted))
    return round(float(np.mean(found)), 4)


def deleted_strangers(world: World, embedder: Embedder, *, draws: int, seed: int = 0) -> tuple[float, float]:
    """Shares of strangers' boxes that are hidden after half of them were deleted, and of named objects that are lost with them."""
    hidden, lost = [], []
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        learnt, asked = world.draw(rng, CROPS)
        strange = np.array([label == UNKNOWN_LABEL for label in asked.labels])
        gone = strange & (rng.random(len(strange)) < DELETED)
        head = head_selection.select_head(learnt, seed=0).winner
        making = FitContext(embedder, POLICY, 0, "2026-01-01T00:00:00+00:00", "0", "")
        bundle = fit.bundle(head, learnt, fit.calibrate(head, learnt, seed=0), making, metrics={})
        named = [str(label) for label in learnt.labels]
        decided = DecidedBoxes(
            _features(asked.embeddings[gone], asked.groups, gone, ["rejected"] * int(gone.sum())),
            _features(learnt.embeddings, learnt.groups, np.ones(len(learnt), dtype=bool), named),
        )
        belief, _ = suppression.choose_threshold(decided, bundle)
        left = strange & ~gone
        for mask, shares in ((left, hidden), (~strange, lost)):
            rows = _features(asked.embeddings[mask], asked.groups, mask, ["asked"] * int(mask.sum()))
            shares.append(suppression.count_hidden(bundle, belief, rows) / len(rows.rows) if belief is not None else 0.0)
    return round(float(np.mean(hidden)), 4), round(float(np.mean(lost)), 4)


def _features(embeddings: Embeddings, groups: Sequence[str], mask: npt.NDArray[np.bool_], labels: Sequence[str]) -> Features:
    rows = []
    for number, (at, label) in enumerate(zip(np.flatnonzero(mask), labels, strict=True)):
        verdict = "rejected" if label == "rejected" else "approved"
        group = groups[int(at)]
        rows.append(
            CropRow(f"{number}.png", number, number, f"r{number}", BOX, group, None, verdict, "named", label, group, "person", "2026-01-01")
        )
    return Features(tuple(rows), embeddings, (), 0)
