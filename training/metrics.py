"""Metrics of a head's answers on pictures it has not seen: counts, F1 with its interval, calibration, the unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dinolabel.training import intervals
from dinolabel.vision.bundles.figures import FIGURES
from dinolabel.vision.types import Answer, Named, Unknown

UNKNOWN = None  # the truth of a crop that has none of the names
RESAMPLES = 1000  # bootstrap resamples: the ends of a 95 % interval move by less than a hundredth from seed to seed
BINS = 10  # of the reliability table, as in Guo et al. 2017
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class LabelScore:
    """objects, groups: held-out ones with this true label. recall: an abstention counts as a miss. precision: 0 when never answered."""

    objects: int
    groups: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class UnknownScore:
    """objects: crops that people said are none of the names. kept: share of them that stayed unnamed.

    auroc: how well the distance to the nearest name tells them from named objects. fpr_at_95: share of them that would be let in where 95 %
    of named objects are. None where no distances were given.
    """

    objects: int
    kept: float
    auroc: float | None = None
    fpr_at_95: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What was answered on one object. truth: its name, None for none of the names. answer: the name a person would see, if any."""

    id: str
    truth: str | None
    answer: str | None
    confidence: float

    @property
    def wrong(self) -> bool:
        """Another name, or none where there is one; a stranger with a name."""
        return self.truth != self.answer


@dataclass(frozen=True)
class EvaluationReport:
    """What a head does on objects it has not seen.

    labels: of the head and of the truth, sorted. known: the head's own.
    confusion: one (L + 1, L + 1) table a group; rows are the truth, columns the answer, in the order of `labels`, last is unknown.
    accuracy: right names among all named objects, an abstention is wrong. coverage: share that got a name.
    accuracy_named: right names among those that got one. macro_f1: mean over the labels that were seen held out.
    ece: expected calibration error of the best guess's confidence over named objects, 10 equal bins.
    The intervals are for people, 95 %, never without width (dinolabel.training.intervals); the gate resamples by itself.
    """

    labels: tuple[str, ...]
    known: frozenset[str]
    groups: tuple[str, ...]
    confusion: Counts = field(repr=False)
    objects: int
    accuracy: float
    coverage: float
    accuracy_named: float
    accuracy_interval: Interval
    coverage_interval: Interval
    accuracy_named_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    per_label: Mapping[str, LabelScore]
    ece: float
    ece_interval: Interval
    reliability: tuple[tuple[float, float, int], ...]
    unknown: UnknownScore | None
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)

    @property
    def table(self) -> Counts:
        """(L + 1, L + 1) over all groups."""
        return np.asarray(self.confusion.sum(axis=0), dtype=np.int64)

    @property
    def seen(self) -> frozenset[str]:
        """Labels with a held-out object: what macro-F1 is the mean over."""
        return frozenset(label for label, score in self.per_label.items() if score.objects)

    def metrics(self) -> dict[str, Any]:
        """Plain numbers for bundle, receipt and page; no macro-F1 of a head with a single name, which has no mean."""
        shown = [figure for figure in FIGURES if figure != "macro_f1" or len(self.known) > 1]
        return {
            "objects": self.objects,
            "groups": len(self.groups),
            **{key: value for figure in shown for key, value in self._figure(figure)},
            "per_label": {label: _round(asdict(score)) for label, score in self.per_label.items()},
            "unknown": _round(asdict(self.unknown)) if self.unknown else None,
        }

    def _figure(self, key: str) -> Iterator[tuple[str, Any]]:
        yield key, round(getattr(self, key), 4)
        yield f"{key}_interval", [round(each, 4) for each in getattr(self, f"{key}_interval")]


def evaluate_answers(
    truth: Sequence[str | None],
    answers: Sequence[Answer],
    *,
    groups: Sequence[str],
    labels: Sequence[str],
    distances: Floats | None = None,
    ids: Sequence[str] = (),
    seed: int = 0,
) -> EvaluationReport:
    """Score answers against the truth (UNKNOWN for none of the names), one entry an object; groups keep correlated objects together.

    distances: (N,) to the nearest name, to say how well they tell the unknown. ids: of the objects, for the report's outcomes.
    A truth that `labels` lacks cannot be answered right: it counts as an object of its own label all the same.
    Raises ValueError when the lengths differ or there is no named object.
    """
    if not len(truth) == len(answers) == len(groups):
        raise ValueError(f"expected equal lengths, got {len(truth)}, {len(answers)}, {len(groups)}")
    if not any(each is not UNKNOWN for each in truth):
        raise ValueError("expected at least one named object")
    names = tuple(sorted({*labels, *(each for each in truth if each is not UNKNOWN)}))
    order = tuple(sorted(set(groups)))
    confusion = confusions(truth, [name_of(each) for each in answers], groups=groups, labels=names)
    table = confusion.sum(axis=0)
    known, right = int(table[:-1].sum()), int(np.trace(table[:-1, :-1]))
    covered = int(table[:-1, :-1].sum())
    weights = draw_resamples(len(order), seed)
    asked, given, hits = (each.astype(np.float64) for each in _counts(confusion))
    ece, ece_interval, reliability = calibration(truth, answers, groups=groups, seed=seed)
    return EvaluationReport(
        labels=names,
        known=frozenset(labels),
        groups=order,
        confusion=confusion,
        objects=known,
        accuracy=right / known,
        coverage=covered / known,
        accuracy_named=right / covered if covered else 0.0,
        accuracy_interval=intervals.of_share(hits, asked, weights),
        coverage_interval=intervals.of_share(given, asked, weights),
        accuracy_named_interval=intervals.of_share(hits, given, weights),
        macro_f1=float(macro_f1(table[None])[0]),
        macro_f1_interval=macro_f1_interval(confusion, seed=seed),
        per_label=_per_label(names, table, confusion),
        ece=ece,
        ece_interval=ece_interval,
        reliability=reliability,
        unknown=_unknown(table, truth, distances),
        outcomes=tuple(
            Outcome(each, true, name_of(answer), answer.confidence)
            for each, true, answer in zip(ids, truth if ids else (), answers if ids else (), strict=True)
        ),
    )


def name_of(answer: Answer) -> str | None:
    """The name that a person would see, if any."""
    return answer.label if isinstance(answer, Named) else None


def confusions(truth: Sequence[str | None], said: Sequence[str | None], *, groups: Sequence[str], labels: Sequence[str]) -> Counts:
    """(G, L + 1, L + 1) counts, groups sorted; row truth, column answer, last is unknown (or a name outside `labels`)."""
    column = {label: at for at, label in enumerate(labels)}
    row = {group: at for at, group in enumerate(sorted(set(groups)))}
    out = np.zeros((len(row), len(labels) + 1, len(labels) + 1), dtype=np.int64)
    for true, answer, group in zip(truth, said, groups, strict=True):
        out[row[group], column.get(true, -1) if true else -1, column.get(answer, -1) if answer else -1] += 1
    return out


def macro_f1(tables: Counts) -> npt.NDArray[np.float64]:
    """(B,) mean F1 over the labels with a true object in that table; 0 for a table without any. tables: (B, L + 1, L + 1)."""
    hits = np.diagonal(tables, axis1=1, axis2=2)[:, :-1].astype(np.float64)
    return _mean_f1(hits, tables.sum(axis=2)[:, :-1].astype(np.float64), tables.sum(axis=1)[:, :-1].astype(np.float64))


def _mean_f1(hits: Floats, true: Floats, said: Floats) -> Floats:
    f1 = 2 * hits / np.maximum(true + said, 1)
    seen = true > 0
    return np.asarray((f1 * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))


@lru_cache(maxsize=8)
def draw_resamples(count: int, seed: int) -> Floats:
    """(RESAMPLES, count) how often each group is in each resample: groups drawn again with replacement, so that objects of one picture stay
    together (cluster bootstrap). The same for the same count and seed, so that two heads are resampled alike."""
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float64)
    weights.flags.writeable = False
    return np.asarray(weights)


def resample_f1(confusion: Counts, *, seed: int) -> Floats:
    """(RESAMPLES,) macro-F1 of the resampled groups. confusion: (G, L + 1, L + 1)."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)[:, :-1]
    margins = np.concatenate([hits, confusion.sum(axis=2)[:, :-1], confusion.sum(axis=1)[:, :-1]], axis=1)
    found, true, said = np.split(draw_resamples(len(confusion), seed) @ margins.astype(np.float64), 3, axis=1)
    return _mean_f1(found, true, said)


def interval(values: npt.NDArray[np.float64]) -> Interval:
    """The middle of the values: what the gate decides by. Without width where all are alike, so people are told `macro_f1_interval`."""
    return intervals.middle(values)


def macro_f1_interval(confusion: Counts, *, seed: int) -> Interval:
    """Of macro-F1, as people are told it. confusion: (G, L + 1, L + 1)."""
    asked = confusion[:, :-1].sum(axis=(1, 2)).astype(np.float64)
    labels = confusion[:, :-1].sum(axis=(0, 2)).astype(np.float64)
    found = float(macro_f1(confusion.sum(axis=0)[None])[0])
    count = intervals.mean_count(labels) / intervals.design_effect(asked)
    return intervals.widened(resample_f1(confusion, seed=seed), found, count)


def _counts(confusion: Counts) -> tuple[Counts, Counts, Counts]:
    """(G,) named objects, those that got a name, those that got the right one."""
    named = confusion[:, :-1]
    return named.sum(axis=(1, 2)), named[:, :, :-1].sum(axis=(1, 2)), np.trace(named[:, :, :-1], axis1=1, axis2=2)


def calibration(
    truth: Sequence[str | None], answers: Sequence[Answer], *, groups: Sequence[str], seed: int = 0
) -> tuple[float, Interval, tuple[tuple[float, float, int], ...]]:
    """Expected calibration error (Guo et al. 2017), its interval, and rows of (mean confidence, share right, count) for the bins that hold
    something. Few objects make it look worse than it is: an empty scatter of one bin is an error too."""
    order = {group: at for at, group in enumerate(sorted(set(groups)))}
    sums = np.zeros((len(order), BINS, 3))  # confidence, right, count
    for true, answer, group in zip(truth, answers, groups, strict=True):
        if true is not UNKNOWN:
            confidence, right = _guess(true, answer)
            sums[order[group], min(int(confidence * BINS), BINS - 1)] += (confidence, right, 1)
    rows = [(said / count, was / count, int(count)) for said, was, count in sums.sum(axis=0) if count]
    gaps, counts = np.abs((sums[..., 0] - sums[..., 1]).sum(axis=0)), sums[..., 2]
    error = float(gaps.sum() / counts.sum())
    bounds = intervals.of_calibration(error, float(sums[..., 1].sum()), counts.sum(axis=0), counts.sum(axis=1), seed=seed)
    return error, bounds, tuple(rows)


def auroc(far: Floats, near: Floats) -> float:
    """Chance that one of `far` is larger than one of `near`; ties count half (Mann-Whitney)."""
    ranked = np.sort(near)
    below = np.searchsorted(ranked, far, side="left") + np.searchsorted(ranked, far, side="right")
    return float(below.mean() / 2 / len(near))


def fpr_at_95(far: Floats, near: Floats) -> float:
    """Share of `far` that lies within the distance which lets 95 % of `near` in."""
    return float((far <= np.quantile(near, 0.95)).mean())


def _guess(true: str | None, answer: Answer) -> tuple[float, bool]:
    match answer:
        case Named(label, confidence):
            return confidence, label == true
        case Unknown(nearest, confidence):
            return confidence, nearest == true
    return answer.confidence, False


def _per_label(labels: Sequence[str], table: Counts, confusion: Counts) -> dict[str, LabelScore]:
    out = {}
    for at, label in enumerate(labels):
        hits, true, said = int(table[at, at]), int(table[at].sum()), int(table[:, at].sum())
        out[label] = LabelScore(
            objects=true,
            groups=int((confusion[:, at].sum(axis=1) > 0).sum()),
            recall=hits / true if true else 0.0,
            precision=hits / said if said else 0.0,
            f1=2 * hits / (true + said) if true + said else 0.0,
        )
    return out


def _unknown(table: Counts, truth: Sequence[str | None], distances: Floats | None) -> UnknownScore | None:
    objects = int(table[-1].sum())
    if not objects:
        return None
    kept = int(table[-1, -1]) / objects
    if distances is None:
        return UnknownScore(objects, kept)
    strange = np.array([each is UNKNOWN for each in truth])
    far, near = distances[strange], distances[~strange]
    return UnknownScore(objects, kept, auroc(far, near), fpr_at_95(far, near))


def _round(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in numbers.items()}
