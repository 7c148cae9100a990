"""What people decided in a task: one verdict and one name per box (design.md §3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dinolabel.studio.label_configs.label_config import Kind, LabelConfig
from dinolabel.studio.regions.region import Region
from dinolabel.studio.regions.shapes import hull
from dinolabel.studio.reviews.annotations import Annotation, Json, Task, annotations_of, from_webhook
from dinolabel.studio.reviews.verdicts import Conflict, Review, ReviewedBox, State, UnreadMark, Verdict, scale_box
from dinolabel.vision.types import Box

__all__ = [
    "SAME_OBJECT",
    "Annotation",
    "Conflict",
    "Review",
    "ReviewedBox",
    "State",
    "Task",
    "UnreadMark",
    "annotations_of",
    "from_webhook",
    "labels_by_object",
    "review_task",
    "reviewed_boxes",
]

SAME_OBJECT = 0.5
"""IoU from which two boxes are one object (design.md §3; the threshold of PASCAL VOC)."""


@dataclass(frozen=True, slots=True)
class _AnnotatedRegion:
    """A region with the annotation it is from."""

    annotation: Annotation
    region: Region


def reviewed_boxes(task: Json, config: LabelConfig, *, generic_is_unknown: bool = False) -> list[ReviewedBox]:
    """Every box of a task's JSON with its verdict; conflicts and skipped annotations left out (`review_task` lists them)."""
    return list(review_task(task, config, generic_is_unknown=generic_is_unknown).boxes)


def review_task(
    task: Json, config: LabelConfig, *, generic_is_unknown: bool = False, majority: bool = False, beside: Sequence[Annotation] = ()
) -> Review:
    """Like `reviewed_boxes`, with what was left out and why. generic_is_unknown: boxes left generic count as examples of unknown.

    majority: only objects that more than half of the task's annotators drew, under the label that most of them gave. beside: annotations
    that do not count, whose outlines and the like still show that something is there.
    """
    identity = Task.of(task).id
    every = annotations_of(task, config)
    live = [each for each in every if not each.cancelled]
    verified = [each for each in live if not each.made_by_button]

    def judged(mark: _AnnotatedRegion, verdict: Verdict) -> ReviewedBox:
        kind = config.kind_of(mark.region.label)
        return _reviewed_box(identity, mark, verdict, "unknown" if generic_is_unknown and kind == "generic" else kind)

    objects = _group_objects(verified)
    torn = [marks for marks in objects if majority and 2 * len(marks) == len(verified)]
    if majority:
        objects = [_majority(marks) for marks in objects if 2 * len(marks) > len(verified)]
    conflicts = [_conflict(identity, marks) for marks in objects if len(_labels(marks)) > 1]
    approved = [judged(_representative(marks), "approved") for marks in objects if len(_labels(marks)) <= 1]
    unverified = [judged(_AnnotatedRegion(each, region), "unverified") for each in live if each.made_by_button for region in each.regions]
    several = [Conflict(identity, None, (each.id,), names, (region,)) for each in verified for region, names in each.names.items()]
    found = Review(
        boxes=(*approved, *unverified),
        conflicts=(*conflicts, *several),
        skipped=len(every) - len(live),
        unread=(*_unread(identity, live), *(_conflict_mark(identity, _representative(marks)) for marks in torn)),
        answers=len(verified),
        unverified=len(live) - len(verified),
    )
    if found.state() == "undecided":  # what was removed may be among what was not read
        return found
    rejected = [judged(mark, "rejected") for mark in _rejected_boxes(verified, beside)]
    return replace(found, boxes=(*approved, *rejected, *unverified))


def labels_by_object(verified: Sequence[Annotation]) -> list[dict[int, str | None]]:
    """Each object that somebody marked: annotation's id -> the label it got there, None for a box without one."""
    return [{mark.annotation.id: mark.region.label for mark in marks} for marks in _group_objects(verified)]


def _unread(task: int, live: Iterable[Annotation]) -> Iterator[UnreadMark]:
    for annotation in live:
        for each in annotation.unread:
            yield UnreadMark(task, annotation.id, each.region, each.kind, each.why, verified=not annotation.made_by_button)


def _conflict_mark(task: int, mark: _AnnotatedRegion) -> UnreadMark:
    return UnreadMark(task, mark.annotation.id, mark.region.id, "no majority", "a box that half of the people drew and half did not")


def _group_objects(verified: Sequence[Annotation]) -> list[list[_AnnotatedRegion]]:
    """Marks of one object together: one per annotation, matched greedily by falling IoU. Exact copies within an annotation count once."""
    objects: list[list[_AnnotatedRegion]] = []
    for annotation in verified:
        seen = list({(each.box, each.label): each for each in reversed(annotation.regions)}.values())[::-1]
        pairs = [(_iou(group[0].region, region), at, index) for at, group in enumerate(objects) for index, region in enumerate(seen)]
        groups: dict[int, int] = {}
        for overlap, at, index in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
            if overlap >= SAME_OBJECT and index not in groups and at not in groups.values():
                groups[index] = at
        for index, region in enumerate(seen):
            if index in groups:
                objects[groups[index]].append(_AnnotatedRegion(annotation, region))
            else:
                objects.append([_AnnotatedRegion(annotation, region)])
    return objects


def _labels(marks: Iterable[_AnnotatedRegion]) -> tuple[str, ...]:
    """The different labels given; a box left without one contradicts nobody."""
    return tuple(dict.fromkeys(mark.region.label for mark in marks if mark.region.label is not None))


def _majority(marks: list[_AnnotatedRegion]) -> list[_AnnotatedRegion]:
    """The marks with the label most often given; all of them when that is a draw."""
    votes = Counter(mark.region.label for mark in marks if mark.region.label is not None).most_common(2)
    if len(votes) < 2 or votes[0][1] == votes[1][1]:
        return marks
    return [mark for mark in marks if mark.region.label == votes[0][0]]


def _representative(marks: Sequence[_AnnotatedRegion]) -> _AnnotatedRegion:
    """Whose box stands for the object: the first that has a label."""
    return next((mark for mark in marks if mark.region.label is not None), marks[0])


def _conflict(task: int, marks: Sequence[_AnnotatedRegion]) -> Conflict:
    said = [mark for mark in marks if mark.region.label is not None]
    who, labels = tuple(mark.annotation.id for mark in said), tuple(str(mark.region.label) for mark in said)
    return Conflict(task, said[0].region.box, who, labels, tuple(mark.region.id for mark in said))


def _rejected_boxes(verified: Sequence[Annotation], beside: Iterable[Annotation] = ()) -> list[_AnnotatedRegion]:
    """Predicted boxes that a person removed and nobody kept, drew over or marked in another way; each once, though several removed it."""
    kept = [region for each in verified for region in each.regions]
    others = [entry for each in (*verified, *beside) for entry in each.others]
    gone: list[_AnnotatedRegion] = []
    for annotation in verified:
        ids = {region.id for region in annotation.regions}
        for region in annotation.predicted or ():
            near = [*kept, *(mark.region for mark in gone if mark.annotation is not annotation)]
            if region.id in ids or any(_iou(region, other) >= SAME_OBJECT for other in near):
                continue
            if not any(_covers(entry, region) for entry in others):
                gone.append(_AnnotatedRegion(annotation, region))
    return gone


def _covers(entry: Json, region: Region) -> bool:
    """Whether a mark of any kind stands for the object of a box: it is as large, or covers most of it, or is a point or line in it.

    A mark whose place cannot be told might.
    """
    found = hull(entry)
    if found is None:
        return True
    box, (width, height) = region.box, (region.width / 100, region.height / 100)
    x1, y1, x2, y2 = found[0] * width, found[1] * height, found[2] * width, found[3] * height
    if x2 - x1 < 1 or y2 - y1 < 1:
        return box.x1 <= (x1 + x2) / 2 <= box.x2 and box.y1 <= (y1 + y2) / 2 <= box.y2
    mark = Box(x1, y1, x2, y2)
    common = max(0.0, min(box.x2, x2) - max(box.x1, x1)) * max(0.0, min(box.y2, y2) - max(box.y1, y1))
    return box.iou(mark) >= SAME_OBJECT or common >= SAME_OBJECT * box.area


def _iou(one: Region, other: Region) -> float:
    """As shares of the picture: two annotations may say different sizes of it."""
    return one.box.iou(scale_box(other.box, one.width / other.width, one.height / other.height))


def _predicted_box(mark: _AnnotatedRegion) -> Box | None:
    """The detector's box for this object: the region of the same id unless it was dragged elsewhere, else the best overlap."""
    # where nobody wrote the size down, a turned box has no hull yet
    shown = [each for each in mark.annotation.predicted or () if each.percent is None or each.quad is None]
    near = [(each.id == mark.region.id, _iou(mark.region, each), each.box) for each in shown]
    return max((each for each in near if each[1] >= SAME_OBJECT), key=lambda each: each[:2], default=(False, 0.0, None))[2]


def _reviewed_box(task: int, mark: _AnnotatedRegion, verdict: Verdict, kind: Kind) -> ReviewedBox:
    annotation, region = mark.annotation, mark.region
    return ReviewedBox(
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
        predicted=region.box if verdict == "rejected" else _predicted_box(mark),
        origin=region.origin,
        score=region.score,
        quad=region.quad,
        percent=region.percent,
        unlisted=region.unlisted,
    )
