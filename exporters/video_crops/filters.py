"""Which crops of a video are worth learning from: large enough, not blurred, not the same picture again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, Literal, TypeVar

from dinolabel.vision.images.perceptual_hash import NEAR, nearest
from dinolabel.vision.types import Box

PerFrame = Literal["best", "all"]
ENOUGH = 5  # crops of a video before their median says how sharp that camera is

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class CropFilters:
    """every: seconds between looks. per_frame: the best box of a frame, or all. min_side: least shorter side of a box, pixels.

    sharpness: least sharpness as a share of the video's median, 0 keeps all. near: bits of the perceptual hash that copies may differ in,
    -1 keeps copies.
    """

    every: float = 3.0
    per_frame: PerFrame = "best"
    min_side: float = 24.0
    sharpness: float = 0.25
    near: int = NEAR

    def large(self, box: Box) -> bool:
        return min(box.width, box.height) >= self.min_side


@dataclass(frozen=True)
class ScoredCrop(Generic[Thing]):
    """What is known of a crop. thing: whose it is."""

    thing: Thing
    sharpness: float
    fingerprint: int


def drop_blurred(looks: Sequence[ScoredCrop[Thing]], rules: CropFilters) -> list[ScoredCrop[Thing]]:
    """Those of one video that are not blurred, measured against their own median: cameras differ, moments of shaking stand out."""
    if len(looks) < ENOUGH:
        return list(looks)
    least = rules.sharpness * median(each.sharpness for each in looks)
    return [each for each in looks if each.sharpness >= least]


def drop_near_duplicates(looks: Iterable[ScoredCrop[Thing]], seen: list[int], rules: CropFilters) -> list[ScoredCrop[Thing]]:
    """Those that are no copy of one before them; seen: fingerprints of the same class so far, which grows."""
    kept = []
    for each in looks:
        if nearest(each.fingerprint, seen) > rules.near:
            seen.append(each.fingerprint)
            kept.append(each)
    return kept
