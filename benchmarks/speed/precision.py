"""`fast` beside `exact` on trained weights: nano, on freshly drawn scenes that no model and no setting ever met.

What people see is compared, boxes after thresholds and suppression, each with the nearest score among those that overlap it; queries one by
one would not do, for where two ask for the same thing the other one may win.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from benchmarks.engine import Row, row
from dinolabel.vision.detectors.grounding_dino import build
from dinolabel.vision.loading.device import computes_bfloat16
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.types import Detection, Image, Prompt, Thresholds
from recipes.nano.art import load_sprites
from recipes.nano.evaluate import FLOOR, boxes_of, scenes_for
from recipes.nano.measure import Judged, average_precision, judge
from recipes.nano.scenes import Cast
from recipes.nano.vocabulary import load_nouns

SCENES = int(os.environ.get("DINOLABEL_BENCH_SCENES", "600"))
SEED = 8_000_000
"""Of scenes that benchmarks/engine.py, the recipe and its evaluation do not draw."""
ALIKE = 0.9  # IoU from which boxes are taken for the same


def rows() -> Iterator[Row]:
    if not computes_bfloat16():
        return
    exact, fast = (build(str(NANO_FOLDER / "detector"), device="cpu", engine=each) for each in ("exact", "fast"))
    cast = Cast(load_sprites(), load_nouns())
    overlaps: list[float] = []
    apart: list[float] = []
    other = pictures = 0
    ranked: dict[str, list[Judged]] = {"exact": [], "fast": []}
    for noun, scene in scenes_for(cast, -(-SCENES // len(cast.nouns)), seed=SEED)[:SCENES]:
        image, prompt = Image.from_array(scene.pixels), Prompt.of([noun])
        found = {}
        for way, detector in (("exact", exact), ("fast", fast)):
            candidates = detector.candidates([image], prompt)[0]
            if way == "exact" and not pictures:
                exact.settle()
            found[way] = apply_thresholds(candidates, Thresholds(), width=image.width, height=image.height)
            ranked[way].append(judge(apply_thresholds(candidates, FLOOR, width=image.width, height=image.height), boxes_of(scene, noun)))
        pictures, other = pictures + 1, other + (len(found["exact"]) != len(found["fast"]))
        for each in found["exact"]:
            if found["fast"]:
                overlap, difference = nearest(each, found["fast"])
                overlaps.append(overlap)
                apart.append(difference)
    what = f"nano, {pictures} fresh scenes, {len(overlaps)} boxes"
    least, most, share = float(np.percentile(overlaps, 5)), float(np.percentile(apart, 95)), other / pictures
    change = abs(average_precision(ranked["fast"]) - average_precision(ranked["exact"]))
    yield row(f"fast against exact, IoU, 5th percentile, {what}", least, ">= 0.97", holds=least >= 0.97)
    yield row(f"fast against exact, score difference, 95th percentile, {what}", most, "<= 0.025", holds=most <= 0.025)
    yield row(f"fast against exact, share of pictures with another count, {what}", share, "<= 0.01", holds=share <= 0.01)
    yield row(f"fast against exact, difference of AP50, {what}", change, "<= 0.003", holds=change <= 0.003)


def nearest(one: Detection, others: list[Detection]) -> tuple[float, float]:
    """IoU and score difference of its twin: the nearest score among those alike, or the box that overlaps it most."""
    overlap = {at: one.box.iou(each.box) for at, each in enumerate(others)}
    alike = [at for at, each in overlap.items() if each >= ALIKE] or [max(overlap, key=lambda at: overlap[at])]
    twin = min(alike, key=lambda at: abs(others[at].score - one.score))
    return overlap[twin], abs(others[twin].score - one.score)
