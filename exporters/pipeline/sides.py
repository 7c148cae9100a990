"""Sides of an export's split: by a hash of the group, and none of them empty as soon as there are two groups, as trainers demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dinolabel.vision.bundles.split import split_share, split_side

SIDES = ("train", "val")


def side_of(group: str) -> str:
    """The side that the hash of a group's name says."""
    return "val" if split_side(group) == "held_out" else "train"


@dataclass
class SideBalance:
    """Looks at every group of an export once, and keeps a few names. nearest: of each side the group that stands closest to the other.

    fixed: sides that a person chose for some group.
    """

    nearest: dict[str, str] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    several: bool = False

    def add(self, group: str, side: str, *, chosen: bool = False) -> None:
        """side: the one that the group has so far. chosen: by a person, so that it stays there."""
        if chosen:
            self.fixed.add(side)
            return
        self.several = self.several or any(each != group for each in self.nearest.values())
        before = self.nearest.get(side)
        closer = max if side == "val" else min
        self.nearest[side] = group if before is None else closer(before, group, key=lambda each: (split_share(each), each))

    def moved(self) -> Mapping[str, str]:
        """Groups that change sides, with their new one: where all are on one side the closest goes over; a single group is for training."""
        if len(self.nearest) != 1 or self.fixed - set(self.nearest):
            return {}
        ((side, group),) = self.nearest.items()
        if self.several or self.fixed:
            return {group: "val" if side == "train" else "train"}
        return {group: "train"} if side == "val" else {}
