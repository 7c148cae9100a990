"""A head with its calibration, made from samples: once from the train side to be judged, once from everything to be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinolabel.training.data.samples import Codes, Mask, Samples
from dinolabel.training.metrics import EvaluationReport, evaluate_answers
from dinolabel.training.model_selection import calibration
from dinolabel.training.model_selection.calibration import Floats, OpenSet
from dinolabel.training.model_selection.head_selection import HeadCandidate, out_of_fold
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL, Bundle
from dinolabel.vision.bundles.distances import label_distances
from dinolabel.vision.loading.tuned_embedder import TunedEmbedder
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Answer, CropPolicy, Named, Unknown

NEIGHBOURS = 3  # references whose mean distance counts: one odd crop among them neither lets a stranger in nor keeps a friend out
MOST_ASKED = 4000  # rows that a calibration asks about: the error of a share is below a hundredth then


@dataclass(frozen=True)
class FitContext:
    """What both fits of one training share and their bundles record. created_at: ISO time. trained_until: of the newest approval.

    own: the embedder as the published bundle carries it, where it is not that of the settings.
    """

    embedder: Embedder
    policy: CropPolicy
    seed: int
    created_at: str
    data_digest: str
    trained_until: str
    own: TunedEmbedder | None = None


@dataclass(frozen=True)
class Calibration:
    """What lets a head say how sure it is and when to say nothing; all of it measured with each row's group left out.

    asked: rows that could be asked (Samples.asked, their label in another group too). answers: what the head would have said to them.
    """

    temperature: float
    accept_threshold: float
    open_set: OpenSet
    calibration_rows: Samples
    answers: tuple[Answer, ...]


def calibrate(contender: HeadCandidate, samples: Samples, *, seed: int) -> Calibration:
    """Temperature and thresholds for this head on these samples. With one picture per name nothing can be measured: they are defaults."""
    samples = contender.sees(samples)
    served, labels = _subsample(samples.measurable, seed=seed), samples.labels_seen
    logits, truth = out_of_fold(contender.head, samples, seed=seed)[served], samples.columns[served]
    groups = (samples.group_codes[served], samples.group_codes)
    asked, references, columns, count = samples.embeddings[served], samples.embeddings, samples.columns, len(labels)
    distances = label_distances(asked, references, columns, count=count, groups=groups, neighbours=NEIGHBOURS)
    temperature = calibration.temperature(logits, truth)
    own, other, unknown = _own_other_unknown(distances, truth, labels)
    if not np.isfinite(own).any():
        # one picture of each name: the only look-alikes may be in that very picture
        anywhere = label_distances(asked, references, columns, count=count, neighbours=NEIGHBOURS)
        _, other, unknown = _own_other_unknown(anywhere, truth, labels)
    open_set = calibration.open_set(own, other, unknown)
    askable = np.isfinite(logits[np.arange(len(truth)), truth])
    best, sure = _best_guess(logits[askable] / temperature)
    near = distances[askable][np.arange(len(best)), best] <= open_set.distance
    may = near & np.array([labels[at] != UNKNOWN_LABEL for at in best], dtype=bool)
    accept = calibration.accept_threshold(sure[may], (best == truth[askable])[may])
    said = may & (sure >= accept)
    answers = tuple(_answer(labels[at], float(share), named) for at, share, named in zip(best, sure, said, strict=True))
    return Calibration(temperature, accept, open_set, samples.take(served).take(askable), answers)


def bundle(
    contender: HeadCandidate, samples: Samples, calibrated: Calibration, making: FitContext, *, metrics: Mapping[str, Any]
) -> Bundle:
    """The head fitted on all these samples. It looks at the same columns of the embedder's rows ever after."""
    seen = contender.sees(samples)
    fitted = contender.head.fit(seen.embeddings, seen.labels, seed=making.seed)
    return Bundle(
        labels=fitted.labels,
        head_name=contender.name,
        arrays=fitted.arrays(),
        temperature=calibrated.temperature,
        accept_threshold=calibrated.accept_threshold,
        distance_threshold=calibrated.open_set.distance,
        references=seen.embeddings,
        reference_labels=samples.labels,
        reference_ids=samples.ids,
        embedder_name=making.embedder.name,
        embedder_digest=making.embedder.digest,
        policy=making.policy,
        created_at=making.created_at,
        metrics=metrics,
        neighbours=NEIGHBOURS,
        width=seen.embeddings.shape[1] if seen is not samples else 0,
        own=making.own,
        embedder_plug="" if making.own else str(getattr(making.embedder, "plug", "")),
        data_digest=making.data_digest,
        trained_on=samples.objects,
        trained_until=making.trained_until,
    )


def held_out_report(head: Bundle, held_out: Samples, *, seed: int) -> EvaluationReport | None:
    """How a head does on served views that it has not seen; None when there is no named one."""
    served = held_out.take(held_out.primary_view)
    if not served.names:
        return None
    answers = head.answer(served.embeddings, served.boxes, reasons=False)
    named = np.array([label != UNKNOWN_LABEL for label in head.labels], dtype=bool)
    labels = [label for label in head.labels if label != UNKNOWN_LABEL]
    distances = head.distances(served.embeddings)[:, named].min(axis=1)
    return evaluate_answers(served.truth, answers, groups=served.groups, labels=labels, distances=distances, ids=served.ids, seed=seed)


def left_out_report(calibrated: Calibration, *, seed: int) -> EvaluationReport | None:
    """How the head did with each group left out in turn; None when no name is in two groups.

    A little kind: the thresholds were set on the same rows.
    """
    asked = calibrated.calibration_rows
    if not asked.names:
        return None
    return evaluate_answers(asked.truth, calibrated.answers, groups=asked.groups, labels=asked.names, ids=asked.ids, seed=seed)


def facts(calibrated: Calibration) -> Mapping[str, Any]:
    """The calibration in plain numbers, for the receipt."""
    return {
        "temperature": round(calibrated.temperature, 4),
        "accept_threshold": calibrated.accept_threshold,
        "distance_threshold": calibrated.open_set.distance,
        "distance_false_reject": round(calibrated.open_set.false_reject, 4),
        "distance_false_accept": _round(calibrated.open_set.false_accept),
        "distance_false_accept_aimed_at": calibration.FALSE_ACCEPT,
        "distance_auroc": _round(calibrated.open_set.auroc),
        "distance_fpr_at_95_tpr": _round(calibrated.open_set.fpr_at_95),
        "look_alikes": calibrated.open_set.alike,
        "distances_measured": calibrated.open_set.measured,
    }


def _subsample(asked: Mask, *, seed: int) -> Mask:
    """So many of the rows at most, drawn by the seed: thresholds and a temperature from more would be the same, and take minutes."""
    rows = np.flatnonzero(asked)
    if len(rows) <= MOST_ASKED:
        return asked
    some = np.zeros(len(asked), dtype=bool)
    some[np.random.default_rng(seed).choice(rows, MOST_ASKED, replace=False)] = True
    return some


def _best_guess(logits: Floats) -> tuple[Codes, Floats]:
    """(N,) column and probability of the likeliest label; columns that a fold did not know are out of it."""
    if not len(logits):
        return np.zeros(0, np.int64), np.zeros(0)
    shares = np.exp(calibration.log_softmax(logits))
    return shares.argmax(axis=1), shares.max(axis=1)


def _own_other_unknown(distances: Floats, truth: Codes, labels: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """Of named rows: distance to their own label and to the nearest other name. Of unknown rows: distance to the nearest name."""
    to_names = np.where([label != UNKNOWN_LABEL for label in labels], distances, np.nan)
    named = np.array([labels[at] != UNKNOWN_LABEL for at in truth], dtype=bool)
    rows = np.arange(len(truth))
    own = to_names[rows, truth][named]
    others = to_names.copy()
    others[rows, truth] = np.nan
    least = np.where(np.isfinite(others), others, np.inf).min(axis=1)
    return own, least[named], least[~named]


def _answer(label: str, confidence: float, named: np.bool_) -> Answer:
    if named:
        return Named(label, confidence)
    return Unknown(None if label == UNKNOWN_LABEL else label, confidence)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
