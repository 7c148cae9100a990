"""What people decided about a picture and its boxes, as values: verdicts, conflicts, marks that were not used, and the picture's state.

How they are found is dinolabel.studio.reviews.decisions'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dinolabel.studio.label_configs.label_config import Kind
from dinolabel.studio.regions.region import Percent, Quad
from dinolabel.vision.types import Box

Verdict = Literal["approved", "rejected", "unverified"]
State = Literal["looked at", "undecided", "untouched"]
"""Of a picture. looked at: somebody answered, and all that marks a place in it was used, so that nothing else is in it. undecided: somebody
answered, and some of that was not. untouched: nobody answered."""


@dataclass(frozen=True, slots=True)
class ReviewedBox:
    """A box and what a person decided about it.

    task, annotation: their ids; for a rejected box the annotation that lacks it. region: its id in the result, or in the prediction
    when rejected. box: pixels of the upright image of width x height; `on` gives it for the picture as it is now. label: as given, None
    when there was none. model_version: of the prediction shown. predicted: the detector's own box for the same object, from that
    prediction. origin, score, quad, percent, unlisted: of the region.
    """

    task: int
    annotation: int
    region: str
    box: Box
    width: int
    height: int
    verdict: Verdict
    kind: Kind
    label: str | None
    who: str | None
    at: str
    model_version: str | None
    predicted: Box | None
    origin: str | None = None
    score: float | None = None
    quad: Quad | None = None
    percent: Percent | None = None
    unlisted: str | None = None

    def on(self, width: int, height: int) -> tuple[Box | None, Quad | None]:
        """The box on the picture as it is now, clipped, None when less than a pixel is left; and its corners. Boxes are shares of the
        picture, whatever size was written beside them."""
        if self.percent is not None:
            (x1, y1, x2, y2), quad = self.percent.on(width, height)
            return (Box(x1, y1, x2, y2).clip(width, height) if x1 < x2 and y1 < y2 else None), quad
        across, down = width / self.width, height / self.height
        moved = self.quad and tuple((x * across, y * down) for x, y in self.quad)
        return scale_box(self.box, across, down).clip(width, height), moved  # type: ignore[return-value]  # four in, four out

    def predicted_on(self, width: int, height: int) -> Box | None:
        """The detector's own box, likewise."""
        return self.predicted and scale_box(self.predicted, width / self.width, height / self.height).clip(width, height)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One object under different labels: left out, and listed. annotations, regions: who marked it, and their marks of it.

    labels: what each of them said, or all the names of one region.
    """

    task: int
    box: Box | None
    annotations: tuple[int, ...]
    labels: tuple[str, ...]
    regions: tuple[str, ...] = ()

    @property
    def region(self) -> str | None:
        """The one that has several names; None where people disagree."""
        return self.regions[0] if len(self.regions) == 1 else None

    @property
    def facts(self) -> Mapping[str, Any]:
        """For reports."""
        more = {"region": self.region} if self.region is not None else {}
        return {"task": self.task, "annotations": self.annotations, "labels": self.labels, **more}


@dataclass(frozen=True, slots=True)
class UnreadMark:
    """A mark in the picture that was not used: dinolabel.studio.regions.unread's, with where it is. verified: a person's, not what a button
    made."""

    task: int
    annotation: int
    region: str
    kind: str
    why: str
    verified: bool = True

    @property
    def facts(self) -> Mapping[str, Any]:
        """For reports."""
        return {"task": self.task, "annotation": self.annotation, "region": self.region, "kind": self.kind, "why": self.why}


@dataclass(frozen=True, slots=True)
class Review:
    """All that one task says.

    skipped: annotations that were cancelled. answers, unverified: annotations that count, of people and of buttons.
    unread: marks of theirs that were not used.
    """

    boxes: tuple[ReviewedBox, ...]
    conflicts: tuple[Conflict, ...]
    skipped: int
    unread: tuple[UnreadMark, ...] = ()
    answers: int = 0
    unverified: int = 0

    def state(self, *, unverified: bool = False) -> State:
        """The one word on the picture, for exports, training and the like. unverified: what buttons made counts too."""
        if not self.answers and not (unverified and self.unverified):
            return "untouched"
        return "undecided" if self.conflicts or self.unread_of(unverified=unverified) else "looked at"

    def unread_of(self, *, unverified: bool = False) -> list[UnreadMark]:
        """The unread marks that count."""
        return [each for each in self.unread if each.verified or unverified]


def scale_box(box: Box, across: float, down: float) -> Box:
    """The box in a picture of another size."""
    return box if across == down == 1.0 else Box(box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down)
