"""What more crops would bring: the winning head learnt from parts of the train side, and how many more of a name would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dinolabel.training.data.samples import Samples
from dinolabel.training.metrics import LabelScore
from dinolabel.training.model_selection.head_selection import HeadCandidate
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.protocols import Head

SHARES = (0.25, 0.5, 0.75, 1.0)
GOOD = 0.9  # recall with which a name is left in peace
MOST = 100  # more than that is not worth asking for
FLAT = 0.1  # exponent of the error's fall below which more of the same hardly helps
Point = tuple[float, float]


@dataclass(frozen=True)
class LearningCurve:
    """points: (objects of each name on average, mean recall of the best guess on held-out names). why_none: when there are none."""

    points: tuple[Point, ...] = ()
    why_none: str = "too few held-out pictures"


def learning_curve(contender: HeadCandidate, train_side: Samples, held_out: Samples, *, whole: Head, seed: int) -> LearningCurve:
    """What growing parts of the train side's groups bring on the held-out side. whole: the same head fitted on all of the train side."""
    train_side, served = contender.sees(train_side), contender.sees(held_out.take(held_out.primary_view).of(train_side.names))
    if train_side.seen_in_finetuning is not None and train_side.seen_in_finetuning.any():
        # on what the embedder itself knows, little looks like much
        return LearningCurve(why_none="the embedder was tuned on these crops")
    if len(train_side.labels_seen) < 2:
        return LearningCurve(why_none="there is one name only")
    if not len(served):
        return LearningCurve()
    order = np.random.default_rng(seed).permutation(int(train_side.group_codes.max()) + 1)
    points = []
    for share in SHARES:
        part = train_side.take(order[train_side.group_codes] < np.ceil(share * len(order)))
        if set(part.labels) != set(train_side.labels):
            continue  # a name is missing: its recall would say nothing of growing
        fitted = whole if share == 1.0 else contender.head.fit(part.embeddings, part.labels, seed=seed)
        guess = np.array(fitted.labels)[fitted.logits(served.embeddings).argmax(axis=1)]
        truth = np.array(served.labels)
        recalls = [float((guess[truth == name] == name).mean()) for name in served.names]
        each = float(np.mean([count for name, count in part.objects.items() if name != UNKNOWN_LABEL]))
        points.append((round(each, 1), round(float(np.mean(recalls)), 4)))
    return LearningCurve(tuple(points), "" if points else "parts of the pictures lack a name")


def advice(points: Sequence[Point], scores: Mapping[str, LabelScore], objects: Mapping[str, int]) -> list[str]:
    """A sentence for each name whose recall is below GOOD, neediest first.

    The error falls as a power of the number of crops (Hestness et al. 2017, Deep Learning Scaling is Predictable); its exponent is fitted
    on the curve, and each name stands on that line at its own error.
    """
    exponent = _exponent(points)
    needy = sorted((score.recall, name) for name, score in scores.items() if score.objects and score.recall < GOOD)
    if exponent is None:
        return [f"More of {name} would help: {objects.get(name, 0)} so far." for _, name in needy]
    if exponent < FLAT:
        return [f"More of {name} as it is would hardly help; show it in other pictures." for _, name in needy]
    out = []
    for recall, name in needy:
        count = max(objects.get(name, 1), 1)
        more = int(np.ceil(round(count * (((1 - recall) / (1 - GOOD)) ** (1 / exponent) - 1), 6)))
        out.append(f"About {more} more of {name} would help." if more <= MOST else f"{MOST} or more of {name} would be needed.")
    return out


def _exponent(points: Sequence[Point]) -> float | None:
    """b of error = a * n ** -b by least squares in logarithms; None when there are too few points or no error to see."""
    seen = [(count, 1 - recall) for count, recall in points if recall < 1 and count > 0]
    if len({count for count, _ in seen}) < 3:
        return None
    counts, errors = np.log(np.array(seen)).T
    return float(-np.polyfit(counts, errors, 1)[0])
