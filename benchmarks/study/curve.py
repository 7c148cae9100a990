"""Accuracy, calibration and the unknown against crops of each name: every head alone, over each choice of features, and what `auto`
picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.study.world import POLICY, World
from dinolabel.training.data.samples import Samples
from dinolabel.training.metrics import EvaluationReport
from dinolabel.training.model_selection import fit, head_selection
from dinolabel.training.model_selection.fit import FitContext
from dinolabel.training.model_selection.head_selection import HeadCandidate
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.protocols import Embedder

SHOTS = (1, 2, 5, 10, 20, 50)
ASKED = 60  # crops of each name to measure on, and as many strangers as there are
FIGURES = ("accuracy", "macro_f1", "coverage", "accuracy_named", "ece", "unknown_kept", "unknown_auroc", "fpr_at_95")
AUTO = "auto"


def curve(world: World, embedder: Embedder, *, shots: Sequence[int] = SHOTS, draws: int, seed: int = 0) -> list[dict[str, Any]]:
    """A row a head and number of crops: each figure as [mean, low, high] over the draws (normal 95 % interval of the mean, within 0..1)."""
    out = []
    for count in shots:
        reports: dict[str, list[EvaluationReport]] = {}
        for draw in range(draws):
            learnt, asked = world.draw(np.random.default_rng((seed, count, draw)), count)
            asked = _some(asked)
            for words, head in _heads(learnt).items():
                reports.setdefault(words, []).append(judged(head, learnt, asked, embedder))
        out += [{"crops": count, "head": words, **_summed(found)} for words, found in reports.items()]
    return out


def judged(head: HeadCandidate, learnt: Samples, asked: Samples, embedder: Embedder) -> EvaluationReport:
    """What a head learnt from these does on those."""
    making = FitContext(embedder, POLICY, 0, "2026-01-01T00:00:00+00:00", "0", "")
    bundle = fit.bundle(head, learnt, fit.calibrate(head, learnt, seed=0), making, metrics={})
    report = fit.held_out_report(bundle, asked, seed=0)
    assert report is not None
    return report


def _heads(learnt: Samples) -> dict[str, HeadCandidate]:
    """Alone: each over the first feature, and over more under a name that says so."""
    first, *more = learnt.features
    alone = {each.words: each for each in head_selection.head_candidates(first)}
    alone |= {f"{each.words} over {feature.words}": each for feature in more for each in head_selection.head_candidates(feature)}
    return {AUTO: head_selection.select_head(learnt, seed=0).winner, **alone}


def _some(asked: Samples) -> Samples:
    """ASKED rows of each name, every stranger."""
    seen: dict[str, int] = {}
    mask = np.zeros(len(asked), dtype=bool)
    for at, label in enumerate(asked.labels):
        seen[label] = seen.get(label, 0) + 1
        mask[at] = label == UNKNOWN_LABEL or seen[label] <= ASKED
    return asked.take(mask)


def _summed(reports: Sequence[EvaluationReport]) -> dict[str, list[float]]:
    return {name: _interval([_figure(each, name) for each in reports]) for name in FIGURES}


def _figure(report: EvaluationReport, name: str) -> float:
    if name.startswith(("unknown", "fpr")):
        assert report.unknown is not None
        return float(getattr(report.unknown, name.removeprefix("unknown_")) or 0.0)
    return float(getattr(report, name))


def _interval(values: Sequence[float]) -> list[float]:
    mean = float(np.mean(values))
    spread = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return [round(min(max(each, 0.0), 1.0), 4) for each in (mean, mean - spread, mean + spread)]
