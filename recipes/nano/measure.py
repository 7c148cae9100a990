"""The figures themselves: average precision, recall, naming, separation, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import Box, Detection

Array = npt.NDArray[Any]
SAME = 0.5  # IoU from which a detection is the object
RESAMPLES = 300
T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """One image's detections, best first: score and whether each is a true one; and how many objects there were."""

    scores: tuple[float, ...]
    hits: tuple[bool, ...]
    objects: int


def judge(found: Sequence[Detection], truth: Sequence[Box]) -> Judged:
    """Each object is matched once, to the best-scored detection that overlaps it enough."""
    left = list(truth)
    hits = []
    for detection in found:
        overlaps = [detection.box.iou(box) for box in left]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hits.append(best >= 0 and overlaps[best] >= SAME)
        if hits[-1]:
            left.pop(best)
    return Judged(tuple(d.score for d in found), tuple(hits), len(truth))


def average_precision(images: Sequence[Judged]) -> float:
    """Area under precision over recall, all points, as COCO does at one IoU."""
    scores = np.array([s for image in images for s in image.scores])
    hits = np.array([h for image in images for h in image.hits], float)
    objects = sum(image.objects for image in images)
    if not len(scores) or not objects:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum(hits[order])
    precision = true / np.arange(1, len(true) + 1)
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((ceiling * hits[order]).sum() / objects)


def recall(images: Sequence[Judged], *, at: float) -> float:
    found = sum(h and s >= at for image in images for s, h in zip(image.scores, image.hits, strict=True))
    return found / max(sum(image.objects for image in images), 1)


def precision(images: Sequence[Judged], *, at: float) -> float:
    kept = [h for image in images for s, h in zip(image.scores, image.hits, strict=True) if s >= at]
    return float(np.mean(kept)) if kept else 0.0


def with_interval(values: Sequence[T], figure: Callable[[Sequence[T]], float]) -> dict[str, float]:
    """The figure and its 95 % bootstrap interval over images (or whatever the values are)."""
    rng = np.random.default_rng(0)
    draws = [figure([values[i] for i in rng.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": round(figure(values), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(values)}


def share(values: Sequence[object]) -> float:
    return float(np.mean([bool(v) for v in values])) if values else 0.0


def mean(values: Sequence[object]) -> float:
    return float(np.mean(np.array(values, float)))


def auroc(known: Array, unknown: Array) -> float:
    """How often a known one scores above an unknown one."""
    merged = np.concatenate([known, unknown])
    order = merged.argsort(kind="stable")
    rank = np.empty(len(merged))
    rank[order] = np.arange(1, len(merged) + 1)
    for value in np.unique(merged):  # ties share their mean rank
        same = merged == value
        rank[same] = rank[same].mean()
    return float((rank[: len(known)].sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown)))
