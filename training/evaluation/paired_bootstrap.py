"""Two heads on the same held-out groups: by how much one is better, with its interval, and at which names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dinolabel.training import intervals
from dinolabel.training.metrics import EvaluationReport, interval, macro_f1, resample_f1

ENOUGH_OBJECTS = 5  # held-out objects of a label before its own recall says anything
MOST_NAMED = 3  # names that a reason lists
NOTED = 0.1  # of recall: smaller losses of a name are not told


@dataclass(frozen=True)
class Difference:
    """Macro-F1 over the labels that both heads know; low, high: interval of candidate minus current on the same resampled groups.

    same_labels: neither head knows a label that the other does not. objects: named ones of those labels.
    """

    candidate: float
    current: float
    low: float
    high: float
    same_labels: bool
    objects: int = 0

    @property
    def point(self) -> float:
        return self.candidate - self.current


def difference(candidate: EvaluationReport, current: EvaluationReport, *, seed: int) -> Difference:
    """Raises ValueError when the two reports are not on the same groups."""
    if candidate.groups != current.groups:
        raise ValueError("expected two reports on the same groups")
    both = sorted(candidate.known & current.known)
    tables = [_narrowed(each, both) for each in (candidate, current)]
    first, second = (float(macro_f1(table.sum(axis=0)[None])[0]) for table in tables)
    low, high = interval(resample_f1(tables[0], seed=seed) - resample_f1(tables[1], seed=seed))
    return Difference(first, second, low, high, candidate.known == current.known, int(tables[0][:, :-1].sum()))


def stated_interval(found: Difference, candidate: EvaluationReport) -> tuple[float, float]:
    """The interval as people are told it: where the two answer alike on every object and no resample can differ, as wide as what so few
    objects cannot rule out, that they differ on some others."""
    if found.low < found.high:
        return found.low, found.high
    asked = candidate.confusion[:, :-1].sum(axis=(1, 2)).astype(np.float64)
    _, reach = intervals.wilson(0.0, found.objects / intervals.design_effect(asked))
    return max(-1.0, found.low - reach), min(1.0, found.high + reach)


def lost_most(candidate: EvaluationReport, current: EvaluationReport) -> str:
    """The names that lose most recall, and what is said instead; empty when none loses much."""
    lines = []
    for label in sorted(candidate.known & current.known):
        now, before = candidate.per_label[label], current.per_label[label]
        if now.objects >= ENOUGH_OBJECTS and before.recall - now.recall >= NOTED:
            counts = f"{label} in {round(now.recall * now.objects)} of {now.objects} (was {round(before.recall * now.objects)})"
            lines.append((before.recall - now.recall, counts + _instead(candidate, label)))
    lines.sort(key=lambda each: (-each[0], each[1]))
    return f" Found less often: {', '.join(words for _, words in lines[:MOST_NAMED])}." if lines else ""


def _instead(report: EvaluationReport, label: str) -> str:
    row = report.table[report.labels.index(label)].copy()
    row[report.labels.index(label)] = 0
    most = int(row.argmax())
    return f", now called {report.labels[most]}" if most < len(report.labels) and row[most] * 2 > row.sum() else ""


def _narrowed(report: EvaluationReport, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Confusions over these labels only: rows of others dropped, answers of others counted as unknown."""
    at = [report.labels.index(label) for label in labels]
    rest = [column for column in range(len(report.labels) + 1) if column not in at]
    rows = report.confusion[:, [*at, len(report.labels)], :]
    return np.concatenate([rows[:, :, at], rows[:, :, rest].sum(axis=2, keepdims=True)], axis=2)
