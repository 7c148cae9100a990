"""Fit of the suppression model: learns what people keep deleting, so that they need not delete it again; careful, because a face that is
hidden is never missed.

What is believed is dinolabel.vision.bundles.suppression's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import CropRow, Manifest
from dinolabel.training.data.samples import codes
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.suppression import (
    NEARER,
    PICTURES,
    Distances,
    SuppressionModel,
    distance_to_kth_image,
    nearest,
)
from dinolabel.vision.types import Box, CropPolicy, Unknown

MAX_LOST = 0.005  # share of kept objects that may be hidden while the distance is chosen: half of what is promised
LOST_HELD_OUT = 0.01  # and on pictures that were not used for choosing: above it nothing is believed
CAP = 0.5  # of all boxes decided so far, no more are hidden: whoever deletes most boxes should change the prompt
DISTANCES = tuple(round(each * 0.01, 2) for each in range(2, 61))  # tried, cosine
OVERLAP = 0.3  # of the smaller box: beyond it a deleted box is a second look at something that was kept
MOST = 2000  # deleted boxes kept as references, the newest

Embed = Callable[[Sequence[CropRow]], Features]


@dataclass(frozen=True)
class SuppressionFit:
    """belief: None when there is none worth having. facts: for the receipt, with why."""

    belief: SuppressionModel | None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DecidedBoxes:
    """Deleted and kept boxes with their embeddings; kept are all approved ones, named or not."""

    rejected: Features
    kept: Features

    def on(self, which: str) -> DecidedBoxes:
        """Those of one side of the split."""
        return DecidedBoxes(*(_take_rows(each, [row.side == which for row in each.rows]) for each in (self.rejected, self.kept)))


def fit_suppression(read: Manifest, *, embed: Embed, judge: Bundle | None, head: Bundle) -> SuppressionFit:
    """What to believe beside this head. judge: the same head from the train side only, to measure on held-out pictures, if there is one."""
    rejected, left_out = candidates(read.rows, read.policy)
    facts: dict[str, Any] = {"deleted": len(rejected) + sum(left_out.values()), "left_out": left_out}
    if len({row.group for row in rejected}) < PICTURES:
        return SuppressionFit(None, facts | {"used": 0, "why": f"Boxes must be deleted in {PICTURES} pictures at least."})
    approved = [row for row in read.rows if row.verdict == "approved"]
    decided = DecidedBoxes(embed(rejected), embed(approved))
    held_out = _measure(decided, judge)
    belief, chosen = choose_threshold(decided, head)
    facts |= chosen | {"held_out": held_out}
    if belief is not None and held_out["kept"] and held_out["lost"] > LOST_HELD_OUT * held_out["kept"]:
        why = f"Of {held_out['kept']} kept objects held out it would hide {held_out['lost']}: too many."
        return SuppressionFit(None, facts | {"used": 0, "why": why})
    return SuppressionFit(belief, facts)


def candidates(rows: Sequence[CropRow], policy: CropPolicy) -> tuple[list[CropRow], dict[str, int]]:
    """Deleted boxes that may teach, newest first of many; and how many were left out, by reason."""
    there: dict[tuple[str, int | None], list[Box]] = {}
    for row in rows:
        if row.verdict != "rejected":
            there.setdefault((row.image, row.frame), []).append(row.box)
    left_out = {"overlapping": 0, "too small": 0, "older": 0}
    kept = []
    for row in rows:
        if row.verdict != "rejected":
            continue
        if min(row.box.width, row.box.height) < policy.min_side:
            left_out["too small"] += 1
        elif any(_shared(row.box, other) > OVERLAP for other in there.get((row.image, row.frame), ())):
            left_out["overlapping"] += 1
        else:
            kept.append(row)
    newest = sorted(kept, key=lambda row: (row.at, row.id), reverse=True)
    left_out["older"] = len(newest[MOST:])
    return newest[:MOST], left_out


def choose_threshold(decided: DecidedBoxes, head: Bundle) -> tuple[SuppressionModel | None, dict[str, Any]]:
    """The belief with the greatest distance that, each picture left out in turn, hides hardly any kept object; and its figures.

    Deleted boxes that are as near to kept ones as to each other teach nothing: they may be a name that somebody will want.
    """
    rejected, kept = (replace(each, embeddings=head.select_features(each.embeddings)) for each in (decided.rejected, decided.kept))
    groups = codes([*(row.group for row in rejected.rows), *(row.group for row in kept.rows)])
    own, others = groups[: len(rejected.rows)], groups[len(rejected.rows) :]
    far = nearest(rejected.embeddings, kept.embeddings, groups=(own, others))
    apart = np.flatnonzero(_near(rejected.embeddings, rejected.embeddings, own, own) <= NEARER * far)
    order = apart[np.argsort(own[apart], kind="stable")]
    facts: dict[str, Any] = {"near_what_was_kept_or_alone": len(rejected.rows) - len(order), "used": len(order)}
    if len(np.unique(own[order])) < PICTURES:
        return None, facts | {"used": 0, "why": f"No {PICTURES} pictures have a like box deleted, far from all that was kept."}
    vectors, pictures = rejected.embeddings[order], own[order]
    gone = _reach(rejected.embeddings, own, vectors, pictures, far)
    to_kept = nearest(kept.embeddings, kept.embeddings, groups=(others, others))
    lost = _reach(kept.embeddings, others, vectors, pictures, to_kept)
    distance = _largest_safe_threshold(gone, lost)
    if distance is None:
        return None, facts | {"used": 0, "why": "Any distance would hide what people kept, or nothing."}
    names = set(head.labels)
    unnamed = kept.embeddings[np.array([row.label not in names for row in kept.rows], dtype=bool)]
    belief = SuppressionModel(vectors, pictures, unnamed, distance, tuple(rejected.rows[at].id for at in order))
    share = {"distance": distance, "hides_deleted": _share(gone <= distance), "hides_kept": _share(lost <= distance)}
    return belief, facts | share


def _measure(decided: DecidedBoxes, judge: Bundle | None) -> dict[str, int]:
    """On held-out pictures, with belief and head from the other side: deleted boxes and those suppressed, kept ones and those lost."""
    train, held_out = decided.on("train"), decided.on("held_out")
    counts = {"deleted": len(held_out.rejected.rows), "suppressed": 0, "kept": len(held_out.kept.rows), "lost": 0}
    belief = choose_threshold(train, judge)[0] if judge is not None and len(train.rejected.rows) else None
    if belief is None or judge is None:
        return counts
    counts["suppressed"] = count_hidden(judge, belief, held_out.rejected)
    counts["lost"] = count_hidden(judge, belief, held_out.kept)
    return counts


def count_hidden(head: Bundle, belief: SuppressionModel, asked: Features) -> int:
    """How many of these a head with this belief would hide, before one in twenty is shown again."""
    if not len(asked.rows):
        return 0
    unnamed = [isinstance(each, Unknown) for each in head.answer(asked.embeddings, [row.box for row in asked.rows], reasons=False)]
    looked = head.select_features(asked.embeddings)
    believed = belief.score(looked, nearest(looked, head.references)) > 0
    return int((believed & np.array(unnamed)).sum())


def _near(asked: Any, rejected: Any, own: npt.NDArray[np.int64], pictures: npt.NDArray[np.int64]) -> Distances:
    order = np.argsort(pictures, kind="stable")
    # one picture fewer than in service: the asked one is itself the third
    return distance_to_kth_image(asked, rejected[order], pictures[order], own=own, count=PICTURES - 1)


def _reach(asked: Any, own: npt.NDArray[np.int64], rejected: Any, pictures: npt.NDArray[np.int64], to_kept: Distances) -> Distances:
    """(N,) the distance from which on each is hidden, its own picture left out; inf where what was kept is too near."""
    near = distance_to_kth_image(asked, rejected, pictures, own=own)
    return np.where(near <= NEARER * to_kept, near, np.inf)


def _largest_safe_threshold(gone: Distances, lost: Distances) -> float | None:
    """The greatest distance within both limits that hides anything."""
    for distance in reversed(DISTANCES):
        hides, costs = int((gone <= distance).sum()), int((lost <= distance).sum())
        if costs <= MAX_LOST * len(lost) and hides + costs <= CAP * (len(gone) + len(lost)):
            return distance if hides else None
    return None


def _shared(one: Box, other: Box) -> float:
    """Share of the smaller box that lies in the other."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    return max(width, 0.0) * max(height, 0.0) / min(one.area, other.area)


def _take_rows(features: Features, which: Sequence[bool]) -> Features:
    mask = np.array(which, dtype=bool)
    return Features(tuple(row for row, yes in zip(features.rows, mask, strict=True) if yes), features.embeddings[mask], (), 0)


def _share(which: npt.NDArray[np.bool_]) -> float:
    return round(float(which.mean()), 4) if len(which) else 0.0
