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
LEAST_POINTS = 8  # of 27
STRAY = 2.5  # times the median distance from the median step: beyond, a point belongs to something else
FLOW: dict[str, Any] = {"winSize": (15, 15), "maxLevel": 3, "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 8, 0.03)}
MOST_SCALE = 1.15  # a box grows or shrinks by no more from one frame to the next
LEAST_PAIRS = 4


@dataclass(frozen=True)
class FlowResult:
    """boxes: (N, 4) where they are now. sure: (N,) whether enough points agree; where not, the box stands as it was."""

    boxes: Boxes
    sure: npt.NDArray[np.bool_]


def track_flow(before: Grey, now: Grey, boxes: Boxes) -> FlowResult:
    """Move (N, 4) boxes of one grey frame to the next one of the same size."""
    if not len(boxes):
        return FlowResult(boxes, np.zeros(0, bool))
    points = _grid(boxes)
    moved, good = _flow(before, now, points.reshape(-1, 2))
    there, sure = _move_box(boxes, points, moved.reshape(points.shape), good.reshape(points.shape[:2]))
    for at in np.flatnonzero(sure):
        sure[at] = _similarity(before, boxes[at], now, there[at])
    return FlowResult(there, sure)


def _ellipses() -> npt.NDArray[np.float64]:
    """(27, 2) points around a middle, in half sides."""
    turns = np.linspace(0, 2 * np.pi, ON_A_RING, endpoint=False)
    return np.concatenate([radius * np.stack([np.cos(turns + radius), np.sin(turns + radius)], axis=1) for radius in RINGS])


ELLIPSES = _ellipses()
FROM = np.tile(np.arange(len(ELLIPSES)), 2)
TO = np.concatenate([np.roll(FROM[: len(ELLIPSES)], by) for by in (13, 5)])
"""Points whose distances tell how a box grew: these pairs do as well as all."""


def _grid(boxes: Boxes) -> npt.NDArray[np.float32]:
    """(N, 27, 2) points on ellipses around the middles of (N, 4) boxes."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.asarray(middle[:, None] + ELLIPSES * half[:, None], np.float32)


def _similarity(before: Grey, box: npt.NDArray[np.float64], now: Grey, moved: npt.NDArray[np.float64]) -> bool:
    """Whether both boxes show the same thing: flow also finds an answer where the thing has gone behind another."""
    old, new = _patch(before, box), _patch(now, moved)
    if old is None or new is None:
        return False
    old, new = old - old.sum() / old.size, new - new.sum() / new.size
    norm = float(np.dot(old, old) * np.dot(new, new)) ** 0.5
    return bool(norm < 1 or float(np.dot(old, new)) / norm >= LIKENESS)


def _patch(grey: Grey, box: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """(PATCH²,) the middle of a box: what lies in the corners is not the thing."""
    height, width = grey.shape
    left, top, right, bottom = box.tolist()
    aside, above = (1 - MIDDLE) / 2 * (right - left), (1 - MIDDLE) / 2 * (bottom - top)
    x1, x2 = (int(min(max(each, 0), width)) for each in (left + aside, right - aside + 1))
    y1, y2 = (int(min(max(each, 0), height)) for each in (top + above, bottom - above + 1))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return None
    return np.asarray(cv2.resize(grey[y1:y2, x1:x2], (PATCH, PATCH), interpolation=cv2.INTER_AREA), np.float32).ravel()


def _flow(before: Grey, now: Grey, points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Where the points went, and which of them come back when followed in the other direction."""
    lk: Any = cv2.calcOpticalFlowPyrLK
    there, found, _ = lk(before, now, points[:, None], None, **FLOW)
    back, again, _ = lk(now, before, there, None, **FLOW)
    error = np.hypot(*(back[:, 0] - points).T)
    return there[:, 0], (found[:, 0] == 1) & (again[:, 0] == 1) & (error < FB_ERROR)


def _move_box(
    boxes: Boxes, old: npt.NDArray[np.float32], new: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
) -> tuple[Boxes, npt.NDArray[np.bool_]]:
    """By the median of what each box's points did: shift, and growth from how their distances changed. And which boxes had enough points.

    boxes: (N, 4). old, new: (N, P, 2). good: (N, P).
    """
    steps = new - old
    aside = steps - _middle(steps, good)[:, None]
    off = np.hypot(aside[..., 0], aside[..., 1])
    # Points of the background go another way, and would blow the box up.
    good = good & (off <= np.maximum(1.0, STRAY * _middle(off[..., None], good)))
    sure = good.sum(axis=1) >= LEAST_POINTS
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * _growth(old, new, good)[:, None]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + _middle(steps, good)
    return np.where(sure[:, None], np.concatenate([centre - half, centre + half], axis=1), boxes), sure


def _growth(old: npt.NDArray[np.float32], new: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(N,) by how much the points of each box went apart."""
    was, now = old[:, FROM] - old[:, TO], new[:, FROM] - new[:, TO]
    apart = np.hypot(was[..., 0], was[..., 1])
    told = good[:, FROM] & good[:, TO] & (apart > 1)
    scale = _middle((np.hypot(now[..., 0], now[..., 1]) / np.maximum(apart, 1e-6))[..., None], told)[:, 0]
    return np.where(told.sum(axis=1) >= LEAST_PAIRS, np.clip(scale, 1 / MOST_SCALE, MOST_SCALE), 1.0)


def _middle(values: npt.NDArray[Any], good: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(N, D) medians of those of (N, P, D) that are good, the upper one of two; 0 where none is. (np.median: ten times as slow.)"""
    ranked = np.sort(np.where(good[..., None], values, np.inf), axis=1)
    at = good.sum(axis=1) // 2
    return np.where(good.sum(axis=1)[:, None] > 0, np.take_along_axis(ranked, at[:, None, None], 1)[:, 0], 0.0)
