"""Which label of the prompt a category of approved boxes belongs to: names are the head's, the student finds what the prompt asks for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.training.evaluation.boxes import MATCH
from dinolabel.vision.types import Detection


def prompt_labels(
    pictures: Sequence[LabelledPicture], proposals: Mapping[str, Sequence[Detection]], phrases: Mapping[str, str]
) -> dict[str, str | None]:
    """Category -> label. A label or phrase is itself; with one label all are of it; else what the teacher mostly called those boxes, and
    None where it never found one. proposals: picture's key -> what the teacher found. phrases: phrase -> label."""
    labels = set(phrases.values())
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in pictures:
        for box, category in zip(picture.boxes, picture.labels, strict=True):
            near = [each for each in proposals.get(picture.key, ()) if each.box.iou(box) >= MATCH]
            if near:
                votes[category][phrases[max(near, key=lambda each: each.score).phrase]] += 1
    found: dict[str, str | None] = {}
    for category in sorted({each for picture in pictures for each in picture.labels}):
        if category in labels:
            found[category] = category
        elif category in phrases or len(labels) == 1:
            found[category] = phrases.get(category) or next(iter(labels))
        else:
            best = votes[category].most_common(1)
            found[category] = best[0][0] if best else None
    return found


def relabel(picture: LabelledPicture, labels: Mapping[str, str | None]) -> LabelledPicture:
    """With the prompt's labels; a box that belongs to none of them counts neither way."""
    pairs = list(zip(picture.boxes, picture.labels, strict=True))
    kept = [(box, label) for box, category in pairs if (label := labels[category]) is not None]
    lost = [box for box, category in pairs if labels[category] is None]
    return replace(
        picture, boxes=tuple(box for box, _ in kept), labels=tuple(label for _, label in kept), crowds=(*picture.crowds, *lost)
    )  # fmt: skip
