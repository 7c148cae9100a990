"""Re-identification: tracks that turn out to be one thing, who leaves and comes back, or was hidden for longer than a track is waited
for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dinolabel.vision.bundles.bundle import Bundle

if TYPE_CHECKING:
    from dinolabel.vision.video.vote import ObservedTrack


def reidentify(seen: Mapping[int, ObservedTrack], bundle: Bundle) -> dict[int, int]:
    """Later track -> the earlier one that it goes on; nothing is changed.

    Two are one when they are never on the screen together, their looks do not give different names, and their mean looks are as near
    to each other as a look must be to approved crops to get their name (the head's distance_threshold): a scale that fits any embedder.
    """
    same: dict[int, int] = {}
    groups: dict[int, list[ObservedTrack]] = {}
    for number, later in sorted(seen.items(), key=lambda pair: (pair[1].first, pair[0])):
        if later.embedding is None:
            continue
        far = {first: _distance(group, later, bundle) for first, group in groups.items() if _may_be(group, later)}
        nearest = min(far, key=lambda first: far[first], default=None)
        if nearest is not None and far[nearest] <= bundle.distance_threshold:
            same[number] = nearest
            groups[nearest].append(later)
        else:
            groups[number] = [later]
    return same


def _may_be(group: list[ObservedTrack], later: ObservedTrack) -> bool:
    names = {name for each in (*group, later) if (name := each.vote.guess)}
    return len(names) <= 1 and all(each.last < later.first for each in group)


def _distance(group: list[ObservedTrack], later: ObservedTrack, bundle: Bundle) -> float:
    """Cosine distance (0..2) of the mean looks."""
    looks = [np.sum([each.embedding for each in side if each.embedding is not None], axis=0) for side in (group, [later])]
    sums = np.array(looks, np.float32)
    one, other = bundle.select_features(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))
    return 1.0 - float(one @ other)
