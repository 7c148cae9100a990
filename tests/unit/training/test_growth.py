"""What more crops would bring, and how it is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dinolabel.training.data.samples import Samples
from dinolabel.training.evaluation import learning_curve
from dinolabel.training.metrics import LabelScore
from dinolabel.training.model_selection.head_selection import HeadCandidate
from dinolabel.vision.heads.prototype import Prototype
from dinolabel.vision.types import Box
from tests.blobs import DIM, unit

HEAD = HeadCandidate("prototype", "prototype", Prototype())


def crowd(count: int, *, start: int, noise: float = 2.5) -> Samples:
    """So many crops of each of three names, each in a picture of its own, hard to tell apart."""
    rng = np.random.default_rng((7, start))
    centres = [unit(np.random.default_rng(name).normal(size=DIM)) for name in range(3)]
    vectors = [unit(centres[at % 3] + noise * unit(rng.normal(size=DIM))) for at in range(3 * count)]
    labels = tuple("abc"[at % 3] for at in range(3 * count))
    ids = tuple(f"{start + at}/{start + at}/r/person" for at in range(3 * count))
    boxes = (Box(0, 0, 60, 60),) * len(ids)
    return Samples(np.stack(vectors).astype(np.float32), labels, ids, ids, boxes, np.ones(len(ids), dtype=bool))


def curve(learnt: Samples, held_out: Samples) -> learning_curve.LearningCurve:
    return learning_curve.learning_curve(HEAD, learnt, held_out, whole=HEAD.head.fit(learnt.embeddings, learnt.labels), seed=0)


def test_the_curve_grows() -> None:
    grown = curve(crowd(40, start=0), crowd(200, start=1000))
    points = grown.points
    assert grown.why_none == ""
    assert [count for count, _ in points] == [10.0, 20.0, 30.0, 40.0]
    assert points[-1][1] > points[0][1]


def test_without_a_curve_the_reason_is_told() -> None:
    crops, asked = crowd(5, start=0), crowd(5, start=100)
    known = replace(crops, seen_in_finetuning=np.ones(len(crops), dtype=bool))
    cases = {"one name": (crops.of({"a"}), asked), "tuned on": (known, asked), "too few held-out": (crops, asked.of(set()))}
    for words, (learnt, held_out) in cases.items():
        grown = curve(learnt, held_out)
        assert grown.points == () and words in grown.why_none


def test_so_few_pictures_that_parts_of_them_are_alike_have_no_slope() -> None:
    points = [(1.0, 0.5), (1.0, 0.5), (1.0, 0.4), (2.0, 0.6)]
    assert learning_curve.advice(points, {"b": score(0.5)}, {"b": 2}) == ["More of b would help: 2 so far."]


def score(recall: float, objects: int = 20) -> LabelScore:
    return LabelScore(objects, objects, recall, 1.0, recall)


def test_advice_names_the_neediest_first_with_a_number() -> None:
    points = tuple((float(count), 1 - 1.0 / count) for count in (2, 4, 8, 16))  # error = 1 / n
    told = learning_curve.advice(points, {"a": score(0.95), "b": score(0.8), "c": score(0.6)}, {"a": 10, "b": 10, "c": 10})
    assert told == ["About 30 more of c would help.", "About 10 more of b would help."]


def test_advice_without_a_trend_gives_no_number() -> None:
    flat = tuple((float(count), 0.7) for count in (2, 4, 8))
    assert learning_curve.advice(flat, {"b": score(0.8)}, {"b": 10}) == ["More of b as it is would hardly help; show it in other pictures."]
    assert learning_curve.advice((), {"b": score(0.8)}, {"b": 10}) == ["More of b would help: 10 so far."]
    steep = tuple((float(count), 1 - count**-0.2) for count in (2, 4, 8))
    assert learning_curve.advice(steep, {"b": score(0.2)}, {"b": 10}) == ["100 or more of b would be needed."]
