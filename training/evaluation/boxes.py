"""How good boxes are: matched with the truth, average precision, precision and recall at a threshold; resampled by group.

Average precision is the whole area under the curve (no 101 points), mean over labels that are there. It differs from COCO's by up to 0.01;
the two are never compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Box

MATCH, TIGHT = 0.5, 0.75  # IoU
RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


def array_of(boxes: Sequence[Box]) -> Floats:
    """(N, 4) xyxy."""
    return np.array([each.xyxy for each in boxes], np.float64).reshape(-1, 4)


def overlaps(some: Floats, others: Floats) -> Floats:
    """(N, M) intersection over union of (N, 4) and (M, 4) xyxy."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(axis=1) for each in (some, others)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None, :] - both, 1e-9))


@dataclass(frozen=True)
class JudgedPicture:
    """truth: boxes and labels that are there. found: boxes, labels and scores of a detector, best first. crowds: where nobody counts."""

    group: str
    truth: tuple[tuple[Box, str], ...]
    found: tuple[tuple[Box, str, float], ...]
    crowds: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Matches:
    """Every found box of a set of pictures, best first, and what became of it.

    score (D,), label (D,) number, group (D,) number, right (D,) at MATCH, tight (D,) at TIGHT. objects: (G, L) true ones of each group.
    """

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    score: Floats
    label: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    tight: npt.NDArray[np.bool_]
    objects: Floats


@dataclass(frozen=True)
class BoxFigures:
    """ap50, ap75: area under precision and recall, mean over labels. precision, recall, f1: at the threshold, of all boxes together."""

    ap50: float
    ap75: float
    threshold: float
    precision: float
    recall: float
    f1: float


def match(pictures: Sequence[JudgedPicture], labels: Sequence[str]) -> Matches:
    """Greedy, best first, one to one within a label and picture (COCO's rule). A found box in a crowd is neither right nor wrong."""
    groups = sorted({each.group for each in pictures})
    objects = np.zeros((len(groups), len(labels)))
    rows: list[tuple[float, int, int, bool, bool]] = []
    for picture in pictures:
        at = groups.index(picture.group)
        for number, label in enumerate(labels):
            truth = array_of([box for box, name in picture.truth if name == label])
            objects[at, number] += len(truth)
            found = [(box, score) for box, name, score in picture.found if name == label]
            boxes = array_of([box for box, _ in found])
            close = overlaps(boxes, truth)
            hits, tight = (_greedy(close, least) for least in (MATCH, TIGHT))
            crowded = (overlaps(boxes, array_of(picture.crowds)) > MATCH).any(axis=1) & ~hits
            kept = [each for each in range(len(found)) if not crowded[each]]
            rows += [(found[each][1], number, at, bool(hits[each]), bool(tight[each])) for each in kept]
    rows.sort(key=lambda row: -row[0])
    columns = list(zip(*rows, strict=True)) or [()] * 5
    score, label_, group, right, tight_ = columns
    return Matches(
        tuple(labels), tuple(groups), np.array(score, np.float64), np.array(label_, np.int64), np.array(group, np.int64),
        np.array(right, bool), np.array(tight_, bool), objects,
    )  # fmt: skip


def _greedy(close: Floats, least: float) -> npt.NDArray[np.bool_]:
    """(N,) which boxes, best first, take a true one."""
    free = np.ones(close.shape[1], bool)
    hits = np.zeros(len(close), bool)
    for row in range(len(close) if close.shape[1] else 0):
        best = int(np.where(free, close[row], -1).argmax())
        if free[best] and close[row, best] >= least:
            free[best], hits[row] = False, True
    return hits


def average_precision(found: Matches, *, tight: bool = False, weights: Floats | None = None) -> Floats:
    """(B,) mean over labels that are there. weights: (B, G) how often each group is in a resample; None: each once, B = 1."""
    drawn = np.ones((1, len(found.groups))) if weights is None else weights
    total, count = np.zeros(len(drawn)), np.zeros(len(drawn))
    right = found.tight if tight else found.right
    for number in range(len(found.labels)):
        rows = np.flatnonzero(found.label == number)
        there = drawn @ found.objects[:, number]
        area = _areas(right[rows], drawn[:, found.group[rows]], there)
        total += np.where(there > 0, area, 0)
        count += there > 0
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _areas(right: npt.NDArray[np.bool_], times: Floats, there: Floats) -> Floats:
    """(B,) area under the curve, precision made falling. times: (B, D) how often each box counts. there: (B,) true objects."""
    if not times.shape[1]:
        return np.zeros(len(times))
    hits = np.cumsum(times * right, axis=1)
    precision = hits / np.maximum(np.cumsum(times, axis=1), 1e-9)
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = np.diff(hits, axis=1, prepend=0) / np.maximum(there, 1)[:, None]
    return np.asarray((falling * gained).sum(axis=1))


def f1_at(found: Matches, thresholds: Floats, weights: Floats | None = None) -> Floats:
    """(B,) F1 of all labels' boxes at or above the threshold of their group (thresholds: (G,))."""
    drawn = np.ones((1, len(found.groups))) if weights is None else weights
    counted = found.score >= thresholds[found.group]
    times = drawn[:, found.group] * counted
    hits = (times * found.right).sum(axis=1)
    return np.asarray(2 * hits / np.maximum(times.sum(axis=1) + drawn @ found.objects.sum(axis=1), 1e-9))


def best_threshold(found: Matches) -> float:
    """The middle of the scores at which F1 is as good as it gets, within a hundredth: few pictures make a ragged curve."""
    if not found.right.any():
        return 1.0
    hits, said, there = np.cumsum(found.right), np.arange(1, len(found.right) + 1), found.objects.sum()
    curve = 2 * hits / (said + there)
    top = int(curve.argmax())
    good = curve >= curve[top] - 0.01
    first, last = top, top
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(good) and good[last + 1]:
        last += 1
    after = found.score[last + 1] if last + 1 < len(found.score) else 0.0
    odds = [np.log(each / (1 - each)) for each in np.clip([found.score[first], max(after, 0.01)], 1e-4, 1 - 1e-4)]
    return round(float(1 / (1 + np.exp(-np.mean(odds)))), 4)


def figures(found: Matches, threshold: float | Floats) -> BoxFigures:
    """threshold: one for all, or (G,) one for each group."""
    each = np.broadcast_to(np.asarray(threshold, np.float64), (len(found.groups),))
    counted = found.score >= each[found.group]
    hits, said, there = int((counted & found.right).sum()), int(counted.sum()), float(found.objects.sum())
    ap50, ap75 = (float(average_precision(found, tight=tight)[0]) for tight in (False, True))
    precision, recall = (hits / said if said else 0.0), (hits / there if there else 0.0)
    return BoxFigures(ap50, ap75, float(each.mean()), precision, recall, float(f1_at(found, each)[0]))


def resamples(groups: int, *, seed: int, times: int = RESAMPLES) -> Floats:
    """(times, groups) how often each group is drawn, with replacement."""
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=times).astype(np.float64)
