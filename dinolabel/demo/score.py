"""How good predictions are against the truth. Pure arithmetic; knows nothing of where boxes come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dinolabel.demo.world import Thing
from dinolabel.vision.types import Box

MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True)
class LabelledPrediction:
    """A predicted box (pixels, xyxy) with the label it is shown under."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class DemoScore:
    """Counts over a set of images, and the shares made of them."""

    objects: int
    boxes: int
    found: int
    named_objects: int
    named_right: int
    named_any: int
    strangers_found: int
    strangers_generic: int

    @property
    def recall(self) -> float:
        """Found objects of all true ones."""
        return _share(self.found, self.objects)

    @property
    def precision(self) -> float:
        """Boxes on a true object of all boxes."""
        return _share(self.found, self.boxes)

    @property
    def named_accuracy(self) -> float:
        """Right name among ALL true named objects: a missed or abstained one is wrong."""
        return _share(self.named_right, self.named_objects)

    @property
    def named_coverage(self) -> float:
        """Any name, right or wrong, among all true named objects."""
        return _share(self.named_any, self.named_objects)

    @property
    def unknown_kept_generic(self) -> float:
        """Strangers that were found and kept the generic label, of all strangers that were found."""
        return _share(self.strangers_generic, self.strangers_found)


def match(boxes: Sequence[Box], things: Sequence[Thing]) -> dict[int, int]:
    """Index of box -> index of thing, one to one, best overlap first, IoU >= 0.5."""
    pairs = sorted(
        ((box.iou(thing.box), i, j) for i, box in enumerate(boxes) for j, thing in enumerate(things)),
        key=lambda pair: -pair[0],
    )
    matched: dict[int, int] = {}
    for iou, i, j in pairs:
        if iou >= MATCH_IOU and i not in matched and j not in matched.values():
            matched[i] = j
    return matched


def score(images: Iterable[tuple[Sequence[LabelledPrediction], Sequence[Thing]]], names: Sequence[str]) -> DemoScore:
    """Each image: what was predicted, what is really there (only objects the prompt asks for)."""
    totals = [0] * 8
    for labelled, things in images:
        for index, count in enumerate(_count(labelled, things, frozenset(names))):
            totals[index] += count
    return DemoScore(*totals)


def _count(labelled: Sequence[LabelledPrediction], things: Sequence[Thing], names: frozenset[str]) -> tuple[int, ...]:
    pairs = [(labelled[i].label, things[j].identity) for i, j in match([each.box for each in labelled], things).items()]
    named = [(label, identity) for label, identity in pairs if identity is not None]
    strangers = [label for label, identity in pairs if identity is None]
    return (
        len(things),
        len(labelled),
        len(pairs),
        sum(thing.identity is not None for thing in things),
        sum(label == identity for label, identity in named),
        sum(label in names for label, _ in named),
        len(strangers),
        sum(label not in names for label in strangers),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
