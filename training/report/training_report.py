"""Report of a training, what it did and why its head was published or not: receipt.json, receipt.html and its plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dinolabel.training.data import similar_names
from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import Manifest
from dinolabel.training.data.samples import Samples
from dinolabel.training.evaluation import learning_curve
from dinolabel.training.evaluation.holdout_eval import CurrentHead, Evaluation
from dinolabel.training.evaluation.paired_bootstrap import Difference, difference, stated_interval
from dinolabel.training.evaluation.promotion_gate import DataChanges, Decision
from dinolabel.training.metrics import EvaluationReport
from dinolabel.training.model_selection import fit
from dinolabel.training.model_selection.head_selection import Choice
from dinolabel.training.report import html, plots
from dinolabel.training.report.gallery import Gallery
from dinolabel.vision.bundles.bundle import Bundle

FORMAT = 2  # 1 wrote a candidate's log loss as `surprise`
JSON, PAGE = "receipt.json", "receipt.html"
PLOTS = ("confusion.svg", "reliability.svg", "learning.svg")
NOTE = (
    "The judged head has learnt from the train side only. The published head is the same one with the same settings, fitted again on "
    "every approved box; its temperature and thresholds are those that were judged, unless "
    "a name was not there then."
)
APART = "What a person set apart to test on has taught neither the judged head nor the published one: both have learnt from the rest."


def write(folder: Path, receipt: Mapping[str, Any], report: EvaluationReport | None, shown: Gallery = html.NO_PICTURES) -> Path:
    """Write the files (no plot when nothing could be judged) into a folder, made when missing; the JSON's path."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: tuple[str, ...] = ()
    if report is not None:
        learning = receipt.get("learning", {})
        points, why_none = learning.get("curve", []), learning.get("why_none") or ""
        drawn = (
            plots.confusion_svg(report.table, report.labels),
            plots.reliability_svg(report.reliability),
            plots.learning_svg(points, why_none=why_none),
        )
        for name, svg in zip(PLOTS, drawn, strict=True):
            (folder / name).write_text(svg, encoding="utf-8")
    (folder / PAGE).write_text(html.page(receipt, drawn, shown), encoding="utf-8")
    path = folder / JSON
    path.write_text(json.dumps(receipt, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def data(everything: Samples, read: Manifest, embedded: Features, *, small: tuple[str, ...]) -> dict[str, Any]:
    """What was learnt from, and what was not and why."""
    return {
        "digest": read.digest(),
        "trained_until": read.trained_until,
        "objects": everything.objects,
        "views": len(everything),
        "sources": read.sources,
        "pictures": len(set(everything.groups)),
        "near_duplicate_pictures": len({row.group for row in embedded.rows}) - len(set(everything.groups)),
        "names_alike": similar_names.pairs(everything.names),
        "pictures_held_out": len(set(everything.on_side("held_out").groups)),
        "labels_without_a_crop": sorted(set(read.wanted) - set(everything.names)),
        "too_small": list(small),
        "unreadable": [f"{crop}: {why}" for crop, why in embedded.quarantined],
        "embeddings_from_cache": embedded.cached,
    }


def account(
    trial: Evaluation,
    decision: Decision,
    bundle: Bundle,
    *,
    news: DataChanges | None,
    current: CurrentHead,
    seed: int,
    set_apart: bool = False,
) -> dict[str, Any]:
    """How the candidate was judged, what the gate asked, what is new since the head that serves now, and what the head is."""
    return {
        "format": FORMAT,
        "judged": _evaluation(trial, seed=seed),
        "checks": [asdict(check) for check in decision.checks],
        "changed": {"since": current.id, "why_not_compared": current.why_not or None, **(asdict(news) if news else {})},
        "learning": _learning(trial, bundle),
        "head": _head(trial.choice, bundle),
        "calibration": fit.facts(trial.calibrated),
        "seed": seed,
        "note": APART if set_apart else NOTE,
    }


def _evaluation(trial: Evaluation, *, seed: int) -> dict[str, Any]:
    candidate, compared = trial.candidate, trial.compared
    found = difference(candidate, compared, seed=seed) if candidate is not None and compared is not None else None
    return {
        "basis": trial.basis,
        "candidate": candidate.metrics() if candidate else None,
        "current": compared.metrics() if compared else None,
        "macro_f1_difference": _difference(found, candidate) if found is not None and candidate is not None else None,
        "reliability": [[round(said, 4), round(was, 4), count] for said, was, count in candidate.reliability] if candidate else [],
    }


def _difference(found: Difference, candidate: EvaluationReport) -> dict[str, float]:
    low, high = stated_interval(found, candidate)
    return {key: round(value, 4) for key, value in (vars(found) | {"low": low, "high": high}).items()}


def _learning(trial: Evaluation, bundle: Bundle) -> dict[str, Any]:
    scores = trial.candidate.per_label if trial.candidate else {}
    points = trial.grown.points
    told: dict[str, Any] = {"curve": [list(each) for each in points], "advice": learning_curve.advice(points, scores, bundle.trained_on)}
    return told if points else told | {"why_none": trial.grown.why_none}


def _head(choice: Choice, bundle: Bundle) -> dict[str, Any]:
    competition = [
        {"head": each.words, "over": each.features, "macro_f1": round(each.macro_f1, 4), "log_loss": round(each.log_loss, 4)}
        for each in choice.scores
    ]
    return {
        "head": choice.winner.words,
        "over": choice.winner.feature.words if choice.winner.feature else "",
        "competition": competition,
        "embedder": bundle.embedder_name,
        "embedder_digest": bundle.embedder_digest,
        "crop_policy": asdict(bundle.policy),
    }
