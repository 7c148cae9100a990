"""What people decided in a task: one verdict and one name per box (design.md §3).

Knows people's decisions only; which side of the split a box is on, and what is learnt from it, is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from studio.annotations import Annotation, Json, Task, annotations_of, from_webhook
from studio.label_config import Kind, LabelConfig
from studio.results import Quad, Region
from vision.types import Box

__all__ = ["SAME_OBJECT", "Annotation", "Conflict", "Judged", "Review", "Task", "annotations_of", "from_webhook", "judge", "review"]

Verdict = Literal["approved", "rejected", "unverified"]

SAME_OBJECT = 0.5
"""IoU from which two boxes are one object (design.md §3; the threshold of PASCAL VOC)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A box and what a person decided about it.

    task, annotation: their ids; for a rejected box the annotation that lacks it. region: its id in the result, or in the prediction
    when rejected. box: pixels of the upright image of width x height. label: as given, None when there was none. model_version: of the
    prediction shown. predicted: the detector's own box for the same object, from that prediction. origin, score, quad: of the region.
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


@dataclass(frozen=True, slots=True)
class Conflict:
    """People gave one object different labels: left out, and listed. labels: what each said, by annotation."""

    task: int
    box: Box
    annotations: tuple[int, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """All that one task says. skipped: annotations that were cancelled."""

    judged: tuple[Judged, ...]
    conflicts: tuple[Conflict, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """A region with the annotation it is from."""

    annotation: Annotation
    region: Region


def judge(task: Json, config: LabelConfig, *, generic_is_unknown: bool = False) -> list[Judged]:
    """Every box of a task's JSON with its verdict; conflicts and skipped annotations left out (`review` lists them)."""
    return list(review(task, config, generic_is_unknown=generic_is_unknown).judged)


def review(task: Json, config: LabelConfig, *, generic_is_unknown: bool = False, majority: bool = False) -> Review:
    """Like `judge`, with what was left out and why. generic_is_unknown: boxes left generic count as examples of unknown.

    majority: only objects that more than half of the task's annotators drew, under the label that most of them gave.
    """
    identity = Task.of(task).id
    every = annotations_of(task, config)
    live = [each for each in every if not each.cancelled]
    verified = [each for each in live if not each.made_by_button]

    def judged(mark: _Mark, verdict: Verdict) -> Judged:
        kind = config.kind_of(mark.region.label)
        return _judged(identity, mark, verdict, "unknown" if generic_is_unknown and kind == "generic" else kind)

    objects = _objects(verified)
    if majority:
        objects = [_winners(marks) for marks in objects if 2 * len(marks) > len(verified)]
    conflicts = [_conflict(identity, marks) for marks in objects if len(_labels(marks)) > 1]
    approved = [judged(_spokesman(marks), "approved") for marks in objects if len(_labels(marks)) <= 1]
    rejected = [judged(mark, "rejected") for mark in _rejected(verified)]
    unverified = [judged(_Mark(each, region), "unverified") for each in live if each.made_by_button for region in each.regions]
    return Review((*approved, *rejected, *unverified), tuple(conflicts), len(every) - len(live))


def _objects(verified: Sequence[Annotation]) -> list[list[_Mark]]:
    """Marks of one object together: one per annotation, matched greedily by falling IoU. Exact copies within an annotation count once."""
    objects: list[list[_Mark]] = []
    for annotation in verified:
        seen = list({(each.box, each.label): each for each in reversed(annotation.regions)}.values())[::-1]
        pairs = [(group[0].region.box.iou(region.box), at, index) for at, group in enumerate(objects) for index, region in enumerate(seen)]
        groups: dict[int, int] = {}
        for overlap, at, index in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
            if overlap >= SAME_OBJECT and index not in groups and at not in groups.values():
                groups[index] = at
        for index, region in enumerate(seen):
            if index in groups:
                objects[groups[index]].append(_Mark(annotation, region))
            else:
                objects.append([_Mark(annotation, region)])
    return objects


def _labels(marks: Iterable[_Mark]) -> tuple[str, ...]:
    """The different labels given; a box left without one contradicts nobody."""
    return tuple(dict.fromkeys(mark.region.label for mark in marks if mark.region.label is not None))


def _winners(marks: list[_Mark]) -> list[_Mark]:
    """The marks with the label most often given; all of them when that is a draw."""
    votes = Counter(mark.region.label for mark in marks if mark.region.label is not None).most_common(2)
    if len(votes) < 2 or votes[0][1] == votes[1][1]:
        return marks
    return [mark for mark in marks if mark.region.label == votes[0][0]]


def _spokesman(marks: Sequence[_Mark]) -> _Mark:
    """Whose box stands for the object: the first that has a label."""
    return next((mark for mark in marks if mark.region.label is not None), marks[0])


def _conflict(task: int, marks: Sequence[_Mark]) -> Conflict:
    said = [mark for mark in marks if mark.region.label is not None]
    return Conflict(task, said[0].region.box, tuple(mark.annotation.id for mark in said), tuple(str(mark.region.label) for mark in said))


def _rejected(verified: Sequence[Annotation]) -> list[_Mark]:
    """Predicted boxes that a person removed and nobody kept or drew over; each once, though several people removed it."""
    kept = [region for each in verified for region in each.regions]
    gone: list[_Mark] = []
    for annotation in verified:
        ids = {region.id for region in annotation.regions}
        for region in annotation.predicted or ():
            others = [*kept, *(mark.region for mark in gone if mark.annotation is not annotation)]
            if region.id not in ids and not any(region.box.iou(other.box) >= SAME_OBJECT for other in others):
                gone.append(_Mark(annotation, region))
    return gone


def _predicted(mark: _Mark) -> Box | None:
    """The detector's box for this object: the region of the same id unless it was dragged elsewhere, else the best overlap."""
    near = [(each.id == mark.region.id, each.box.iou(mark.region.box), each.box) for each in mark.annotation.predicted or ()]
    return max((each for each in near if each[1] >= SAME_OBJECT), key=lambda each: each[:2], default=(False, 0.0, None))[2]


def _judged(task: int, mark: _Mark, verdict: Verdict, kind: Kind) -> Judged:
    annotation, region = mark.annotation, mark.region
    return Judged(
        task=task,
        annotation=annotation.id,
        region=region.id,
        box=region.box,
        width=region.width,
        height=region.height,
        verdict=verdict,
        kind=kind,
        label=region.label,
        who=annotation.who,
        at=annotation.at,
        model_version=annotation.model_version,
        predicted=region.box if verdict == "rejected" else _predicted(mark),
        origin=region.origin,
        score=region.score,
        quad=region.quad,
    )
