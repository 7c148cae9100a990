"""Where boxes move from one frame to the next, by sparse optical flow: a hundredth of the price of a pass of the detector.

Pure functions of grey frames and boxes (pixels of those frames, xyxy); knows nothing of tracks, names or files.
Method: Median Flow (Kalal, Mikolajczyk, Matas: Forward-Backward Error, ICPR 2010) on OpenCV's pyramidal Lucas-Kanade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]

RINGS = (0.2, 0.45, 0.7)  # of the half sides: the corners of a box are mostly background, which stands still
ON_A_RING = 9
PATCH = 24  # pixels a side of what is compared to tell whether the box still holds the same thing
MIDDLE = 0.7  # of a box
LIKENESS = 0.5  # least correlation of a box's content from one frame to the next
FB_ERROR = 1.0  # pixels between a point and where following it forth and back ends
LEAST_POINTS = 8
STRAY = 2.5  # times the median distance from the median step: beyond, a point belongs to something else
FLOW: dict[str, Any] = {"winSize": (15, 15), "maxLevel": 3, "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 8, 0.03)}
MOST_SCALE = 1.15  # a box grows or shrinks by no more from one frame to the next


@dataclass(frozen=True)
class Followed:
    """boxes: (N, 4) where they are now. sure: (N,) whether enough points agree; where not, the box stands as it was."""

    boxes: Boxes
    sure: npt.NDArray[np.bool_]


def follow(before: Grey, now: Grey, boxes: Boxes) -> Followed:
    """Move (N, 4) boxes of one grey frame to the next one of the same size."""
    if not len(boxes):
        return Followed(boxes, np.zeros(0, bool))
    points = np.concatenate([_grid(each) for each in boxes]).astype(np.float32)
    moved, good = _flow(before, now, points)
    each = points.reshape(len(boxes), -1, 2)
    pairs = zip(boxes, each, moved.reshape(each.shape), good.reshape(len(boxes), -1), strict=True)
    answers = [_moved(*pair) for pair in pairs]
    kept = [box if answer is None else answer for box, answer in zip(boxes, answers, strict=True)]
    same = [answer is not None and _alike(before, box, now, answer) for box, answer in zip(boxes, answers, strict=True)]
    return Followed(np.array(kept), np.array(same))


def _grid(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(27, 2) points on ellipses around the middle of a box."""
    turns = np.linspace(0, 2 * np.pi, ON_A_RING, endpoint=False)
    unit = np.concatenate([radius * np.stack([np.cos(turns + radius), np.sin(turns + radius)], axis=1) for radius in RINGS])
    return np.asarray((box[:2] + box[2:]) / 2 + unit * (box[2:] - box[:2]) / 2)


def _alike(before: Grey, box: npt.NDArray[np.float64], now: Grey, moved: npt.NDArray[np.float64]) -> bool:
    """Whether both boxes show the same thing: flow also finds an answer where the thing has gone behind another."""
    old, new = _patch(before, box), _patch(now, moved)
    if old is None or new is None:
        return False
    old, new = old - old.mean(), new - new.mean()
    norm = float(np.linalg.norm(old) * np.linalg.norm(new))
    return norm < 1 or float((old * new).sum()) / norm >= LIKENESS


def _patch(grey: Grey, box: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """The middle of a box, PATCH pixels a side: what lies in the corners is not the thing."""
    height, width = grey.shape
    aside = (1 - MIDDLE) / 2 * (box[2:] - box[:2])
    box = np.concatenate([box[:2] + aside, box[2:] - aside])
    x1, x2 = (int(min(max(each, 0), width)) for each in (box[0], box[2] + 1))
    y1, y2 = (int(min(max(each, 0), height)) for each in (box[1], box[3] + 1))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return None
    return np.asarray(cv2.resize(grey[y1:y2, x1:x2], (PATCH, PATCH), interpolation=cv2.INTER_AREA), np.float32)


def _flow(before: Grey, now: Grey, points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Where the points went, and which of them come back when followed in the other direction."""
    lk: Any = cv2.calcOpticalFlowPyrLK
    there, found, _ = lk(before, now, points[:, None], None, **FLOW)
    back, again, _ = lk(now, before, there, None, **FLOW)
    error = np.hypot(*(back[:, 0] - points).T)
    return there[:, 0], (found[:, 0] == 1) & (again[:, 0] == 1) & (error < FB_ERROR)


def _moved(
    box: npt.NDArray[np.float64], points: npt.NDArray[np.float32], moved: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64] | None:
    """By the median of what its points did: shift, and growth from how their distances changed."""
    if good.sum() < LEAST_POINTS:
        return None
    old, new = points[good], moved[good]
    steps = new - old
    off = np.hypot(*(steps - _middle(steps)).T)
    together = off <= max(1.0, STRAY * float(_middle(off)))  # points of the background go another way, and would blow the box up
    old, new = old[together], new[together]
    if len(old) < LEAST_POINTS:
        return None
    shift = _middle(new - old)
    apart = _apart(old)
    far = apart > 1
    scale = float(_middle(_apart(new)[far] / apart[far])) if far.any() else 1.0
    scale = min(max(scale, 1 / MOST_SCALE), MOST_SCALE)
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2 + shift
    half = np.array([box[2] - box[0], box[3] - box[1]]) / 2 * scale
    return np.asarray(np.concatenate([centre - half, centre + half]), np.float64)


def _middle(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The median along the first axis, the upper one of two: np.median takes ten times as long for so few."""
    return np.asarray(np.sort(values, axis=0)[len(values) // 2])


def _apart(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Distance of each point to the one half the list away: as good as all pairs, and N instead of N² of them."""
    rolled = np.roll(points, len(points) // 2, axis=0)
    return np.asarray(np.hypot(*(points - rolled).T), np.float64)
