"""A scripted reviewer: corrects and names predicted boxes as a person at the keyboard would, and counts the keys.

Works on Label Studio's regions, as its editor does: an untouched region keeps `origin: prediction`, a renamed or moved one
becomes `prediction-changed`, a drawn one is `manual`, a deleted one is absent.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinolabel.demo.score import match
from dinolabel.demo.world import Scene, Thing
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import draw_region, regions, to_percent
from dinolabel.vision.types import Box

# Below this overlap a careful person drags the box into place.
GOOD_ENOUGH_IOU = 0.7


@dataclass(slots=True)
class ReviewerEffort:
    """What the reviewer did. keys: key presses, and each mouse drag counted as one; submits are counted apart."""

    boxes: int = 0
    keys: int = 0
    accepted: int = 0
    named: int = 0
    moved: int = 0
    drawn: int = 0
    deleted: int = 0
    submits: int = 0

    @property
    def keys_per_box(self) -> float:
        """Keys for each box that stands at the end."""
        return self.keys / self.boxes if self.boxes else 0.0

    @property
    def sentence(self) -> str:
        return f"{self.named} named, {self.accepted} left as they were, {self.deleted} deleted, {self.moved} moved, {self.drawn} drawn"


def review(
    result: Sequence[Mapping[str, Any]], scene: Scene, things: Sequence[Thing], *, config: LabelConfig, effort: ReviewerEffort
) -> list[dict[str, Any]]:
    """The annotation's result for one task: every true object boxed and, when it has an identity, named. Counts into effort."""
    found = regions(result, config)
    pairs = match([region.box for region in found], things)
    raw = {each["id"]: each for each in result}
    kept = [_correct(raw[found[i].id], found[i].box, scene, things[j], config, effort) for i, j in sorted(pairs.items())]
    wrong = len(found) - len(pairs)
    effort.deleted += wrong
    effort.keys += 2 * wrong  # next region, Backspace
    missed = [thing for j, thing in enumerate(things) if j not in pairs.values()]
    drawn = [_draw(scene, thing, config, effort) for thing in missed]
    effort.boxes += len(kept) + len(drawn)
    effort.submits += 1
    return kept + drawn


def _correct(
    region: Mapping[str, Any], box: Box, scene: Scene, thing: Thing, config: LabelConfig, effort: ReviewerEffort
) -> dict[str, Any]:
    value = dict(region["value"])
    changed = False
    if thing.identity is not None and value["rectanglelabels"] != [thing.identity]:
        value["rectanglelabels"] = [thing.identity]
        effort.named += 1
        effort.keys += 2  # next region, digit
        changed = True
    elif thing.identity is None and value["rectanglelabels"] != [config.generic[0]]:
        value["rectanglelabels"] = [config.generic[0]]
        effort.keys += 2
        changed = True
    if box.iou(thing.box) < GOOD_ENOUGH_IOU:
        value.update(to_percent(thing.box, scene.width, scene.height))
        effort.moved += 1
        effort.keys += 1  # one drag
        changed = True
    effort.accepted += not changed
    return {**region, "value": value, "origin": "prediction-changed" if changed else "prediction"}


def _draw(scene: Scene, thing: Thing, config: LabelConfig, effort: ReviewerEffort) -> dict[str, Any]:
    effort.drawn += 1
    effort.keys += 2  # label key, one drag
    label = thing.identity or config.generic[0]
    return draw_region(uuid.uuid4().hex[:10], label, thing.box, config, width=scene.width, height=scene.height)
