"""What a careful person does on one picture: which box gets which name, which goes, what is missing; and what was left wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.typist import Seen, Typist
from dinolabel.demo.review import GOOD_ENOUGH_IOU
from dinolabel.demo.score import match
from dinolabel.demo.world import Thing
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.writing import Region, regions


@dataclass(frozen=True, slots=True)
class Project:
    """config: of the project being worked on. keys: label -> its key. generic: what an object without a name is called."""

    config: LabelConfig
    keys: Mapping[str, str]

    @property
    def generic(self) -> str:
        return self.config.generic[0]

    def regions(self, result: Sequence[Mapping[str, Any]]) -> list[Region]:
        return regions(result, self.config)

    def label(self, thing: Thing) -> str:
        return thing.identity or self.generic


def correct(typist: Typist, things: Sequence[Thing], project: Project) -> None:
    """Until the picture is right: draw what is missing while nothing is selected, then walk the boxes once, from the first to the last."""
    start = typist.look()
    found = project.regions(start.result)
    pairs = match([each.box for each in found], things)
    for index, thing in enumerate(things):
        if index not in pairs.values():
            there = [each.box for each in project.regions(typist.look().result)]
            typist.draw(project.keys[project.label(thing)], thing.box, there)
    wanted = {found[i].id: things[j] for i, j in pairs.items()}
    for identity in start.order:
        _settle(typist, identity, wanted.get(identity), project)


def left_wrong(result: Sequence[Mapping[str, Any]], things: Sequence[Thing], project: Project) -> int:
    """Boxes with a wrong name, boxes on nothing, and objects without a box (IoU 0.5)."""
    found = project.regions(result)
    pairs = match([each.box for each in found], things)
    misnamed = sum(found[i].label != project.label(things[j]) for i, j in pairs.items())
    return misnamed + (len(found) - len(pairs)) + (len(things) - len(pairs))


def _settle(typist: Typist, identity: str, thing: Thing | None, project: Project) -> None:
    """Do what one box needs; look at it without touching it when it needs nothing."""
    seen = typist.look()
    here = {each.id: each for each in project.regions(seen.result)}
    box, label = here[identity].box, here[identity].label
    loose = thing is not None and box.iou(thing.box) < GOOD_ENOUGH_IOU
    if thing is not None and not loose and label == project.label(thing):
        return
    _select(typist, identity, seen, here)
    if thing is None:
        typist.delete()
        return
    if loose:
        typist.resize(box, thing.box)
    if label != project.label(thing):
        wanted = project.label(thing)
        typist.name(project.keys[wanted], lambda now: _label_of(now, identity, project) == wanted)


def _select(typist: Typist, identity: str, seen: Seen, here: Mapping[str, Region]) -> None:
    """By `n` when it is the next one, else by a click; by `n` again when a click meets another box."""
    place = seen.order.index(identity)
    now = seen.order.index(seen.selected) if seen.selected in seen.order else -1
    if place != now + 1 and typist.click(here[identity].box, identity, [each.box for each in here.values() if each.id != identity]):
        return
    for _ in range(2 * len(seen.order) + 1):
        if typist.look().selected == identity:
            return
        typist.next_box()
    raise AssertionError(f"the box {identity} cannot be selected")


def _label_of(seen: Seen, identity: str, project: Project) -> str | None:
    return next((each.label for each in project.regions(seen.result) if each.id == identity), None)
