"""Non-maximum suppression and kin: which of the boxes found in one image are one object, a part of one, a group of several, or nothing
at all.

Works on arrays of pixels; knows no model, no phrase (a class is a number here) and no file.

GroundingDINO proposes the same object several times, boxes parts and groups of the thing asked for, and answers a phrase
that is not in the picture with one box around all of it (IDEA-Research/GroundingDINO #39, #84, #252, #255;
roboflow/notebooks #160; autodistill #22). A needless box costs a person one key, a lost one has to be drawn: each rule below
therefore asks for evidence beyond mere overlap before it drops anything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

SAME_OBJECT_IOU = 0.9  # two classes that agree this well on a box speak of one object: it keeps its better name
INSIDE = 0.9  # share of the smaller box within the larger one from which it counts as contained
PART_SCORE = 0.75  # a contained box is a part when it scores below this share of its container; a child in arms scores alike
GROUP_IOU = 0.7  # a group's box is about the hull of its members; a mother's is much more than the hull of two children
WHOLE_IMAGE = 0.95  # share of the image a box covers from which it says nothing about where
RIVAL_SCORE = 0.5  # a smaller box with this share of a whole-image box's score shows that the object does not fill the image
WHOLE_IMAGE_BAR = 1.5  # alone, a whole-image box needs this many times the threshold: portraits reach it, absent objects do not


def filter_boxes(boxes: Floats, scores: Floats, classes: Indices, *, iou: float, size: tuple[int, int], threshold: float) -> Indices:
    """Indices of the boxes to keep, best first.

    boxes: (N, 4) xyxy pixels inside the image. scores: (N,). classes: (N,) numbers; all rules but SAME_OBJECT_IOU act within one.
    iou: overlap above which boxes of one class are one. size: (width, height) of the image. threshold: the score asked for.
    Raises ValueError when the lengths differ.
    """
    if not len(boxes) == len(scores) == len(classes):
        raise ValueError(f"expected one score and one class per box, got {len(boxes)}, {len(scores)}, {len(classes)}")
    order = _by_score(boxes, scores)
    rules: tuple[Callable[[Floats, Floats, Indices], Bools], ...] = (
        lambda b, s, c: duplicates(b, c, iou=iou),
        lambda b, s, c: whole_images(b, s, c, size=size, threshold=threshold),
        parts,
        groups,
    )
    for rule in rules:
        order = order[~rule(boxes[order], scores[order], classes[order])]
    return order


def duplicates(boxes: Floats, classes: Indices, *, iou: float) -> Bools:
    """(N,) which boxes, given best first, repeat a better one: greedy non-maximum suppression.

    Within a class above `iou`; across classes above SAME_OBJECT_IOU.
    """
    limit = np.where(classes[:, None] == classes[None, :], iou, SAME_OBJECT_IOU)
    close = _ratios(boxes)[0] > limit
    drop = np.zeros(len(boxes), dtype=bool)
    for index in range(len(boxes)):
        drop[index] = np.any(close[index, :index] & ~drop[:index])
    return drop


def whole_images(boxes: Floats, scores: Floats, classes: Indices, *, size: tuple[int, int], threshold: float) -> Bools:
    """(N,) which boxes hold the whole image for want of an object.

    Dropped when a smaller box of the class scores at least RIVAL_SCORE of it, or when it stays below WHOLE_IMAGE_BAR thresholds.
    """
    whole = _areas(boxes) >= WHOLE_IMAGE * size[0] * size[1]
    same = classes[:, None] == classes[None, :]
    rivals = same & ~whole[None, :] & (scores[None, :] >= RIVAL_SCORE * scores[:, None])
    return np.asarray(whole & (rivals.any(axis=1) | (scores < WHOLE_IMAGE_BAR * threshold)))


def parts(boxes: Floats, scores: Floats, classes: Indices) -> Bools:
    """(N,) which boxes lie inside a larger one of their class that scores clearly better: an ear found as `dog`."""
    inside = _within(boxes, classes)
    return np.asarray((inside & (scores[:, None] < PART_SCORE * scores[None, :])).any(axis=1))


def groups(boxes: Floats, scores: Floats, classes: Indices) -> Bools:
    """(N,) which boxes only frame two or more better boxes of their class: three people found as one `person`."""
    inside = _within(boxes, classes)
    drop = np.zeros(len(boxes), dtype=bool)
    for index in range(len(boxes)):
        members = boxes[inside[:, index] & (scores > scores[index])]
        if len(members) >= 2:
            hull = np.concatenate([members[:, :2].min(axis=0), members[:, 2:].max(axis=0)])
            drop[index] = _ratios(np.stack([boxes[index], hull]))[0][0, 1] >= GROUP_IOU
    return drop


def _by_score(boxes: Floats, scores: Floats) -> Indices:
    """Best first; ties by position, so that the order never depends on the order of the queries."""
    return np.asarray(np.lexsort((*boxes.T[::-1], -scores)))


def _areas(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _ratios(boxes: Floats) -> tuple[Floats, Floats]:
    """Two (N, N) tables: intersection over union, and the share of box i that lies within box j."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    areas = _areas(boxes)
    return both / (areas[:, None] + areas[None, :] - both), both / areas[:, None]


def _within(boxes: Floats, classes: Indices) -> Bools:
    """(N, N) whether box i is contained in the larger box j of its class."""
    areas = _areas(boxes)
    same = classes[:, None] == classes[None, :]
    return np.asarray(same & (areas[:, None] < areas[None, :]) & (_ratios(boxes)[1] >= INSIDE))
