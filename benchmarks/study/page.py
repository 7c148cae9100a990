"""The study for people: study.md from its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN = ("auto", "knn", "prototype", "linear, C = 10")  # over whatever features


def page(figures: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    """Markdown; every number in it is one of the figures."""
    parts = [
        "# How far the head can be trusted",
        f"Written by `make study` ({more['minutes']} minutes, weights `{more['weights']}`, {more['draws']} draws a point). The crops "
        "are drawn identities that the embedder has never seen; strangers are other drawings of the same nouns. On real weights, where "
        "the hub is reached: `make study WEIGHTS=facebook/dinov2-small`.",
        "## Goals",
        _goals(figures, more),
    ]
    for name, rows in figures["curve"].items():
        parts += [f"## By crops of each name: {name}", _curve(rows)]
    parts += ["## The gate", _gate(figures["gate"], more["trials"]), "## Time", _times(figures, more["times"])]
    return "\n\n".join(parts) + "\n"


def _goals(figures: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    gate = figures["gate"]
    rows = [
        ("ECE, demo world, 50 crops a name", _with(figures["ece"]), "≤ 0.05"),
        ("AUROC of strangers, demo world, 50 crops a name", _with(figures["unknown_auroc"]), "reported"),
        ("strangers let in where 95 % of named objects are", _with(figures["fpr_at_95"]), "reported"),
        ("strangers' boxes hidden after half were deleted", f"{figures['nothing_suppressed']:.3f}", "reported"),
        ("named objects lost with them", f"{figures['true_lost']:.4f}", "≤ 0.01"),
        ("worse by 5 points or more, refused", _told(gate["worse_refused"]), "≥ 0.99"),
        ("better by 5 points or more, accepted", _told(gate["better_accepted"]), "≥ 0.95"),
        ("equal (less than 1 point apart), accepted", _told(gate["equal_accepted"]), "stated"),
        ("planted wrong labels (5 %) in the most doubtful tenth", f"{figures['suspects_recall_at_10']:.2f}", "≥ 0.80"),
        ("seconds, 1,000 crops, process start to published", f"{figures['train_seconds_1000']:.1f}", "≤ 10"),
        ("of which training and receipt", f"{more['times']['1000']['training']:.1f}", "≤ 5"),
        ("seconds, 20,000 crops", f"{figures['train_seconds_20000']:.1f}", "≤ 60"),
    ]
    return _table(("figure", "value", "goal"), rows)


def _curve(rows: Sequence[Mapping[str, Any]]) -> str:
    named = ("accuracy", "macro_f1", "coverage", "accuracy_named", "ece", "unknown_kept", "unknown_auroc", "fpr_at_95")
    some = [row for row in rows if row["head"].split(" over ")[0] in SHOWN]
    shown = [(str(row["crops"]), row["head"], *(_with(row[name]) for name in named)) for row in some]
    note = "Mean and 95 % interval of the mean over the draws. `auto` is what `dinolabel train` does; heads alone see the first feature."
    header = ("crops", "head", "right names", "macro-F1", "got a name", "right of those", "ECE", "strangers unnamed", "AUROC", "FPR@95TPR")
    return f"{_table(header, shown)}\n\n{note}"


def _gate(gate: Mapping[str, Any], detail: Sequence[Mapping[str, Any]]) -> str:
    words = (
        f"{gate['trials']} seeded trials on cached embeddings. Each has a current head and a candidate; the labels in between were left "
        "clean, confused, drawn at random, swapped, or held-out frames leaked into the train side. What a head is truly worth is its "
        "macro-F1 on up to 1,500 clean crops that neither it nor the gate has seen."
    )
    header = ("held-out objects", "what was done", "worse: refused", "of", "better: accepted", "of", "equal: accepted", "of")
    rows = [
        (row["objects"], row["kind"], _told(row["worse_refused"]), str(row["worse"]), _told(row["better_accepted"]), str(row["better"]),
         _told(row["equal_accepted"]), str(row["equal"]))
        for row in detail
    ]  # fmt: skip
    return f"{words}\n\n{_table(header, rows)}"


def _times(figures: Mapping[str, Any], times: Mapping[str, Mapping[str, float]]) -> str:
    few, many = times["1000"], times["many"]
    rows = [
        ("1,000 crops, everything cached", f"{few['process']:.1f}", f"{few['training']:.1f}"),
        ("50 crops more", f"{few['again_process']:.1f}", f"{few['again_training']:.1f}"),
        ("20,000 crops, everything cached", f"{many['process']:.1f}", f"{many['training']:.1f}"),
        (
            "1,000 crops, none cached: ViT-S embeds them first",
            f"{times['cold']['embedding'] + few['process']:.0f}",
            f"{few['training']:.1f}",
        ),
        (
            "the whole ViT-S, one epoch over 1,000 crops and their mirror images (from the median of 3 of its 250 steps)",
            f"{figures['ancestor_seconds_1000']:.0f}",
            "–",
        ),
    ]
    note = "The ancestor's recipe beside ours in accuracy, on the same crops: docs/ancestor.md (`make ancestor-bench`)."
    return _table(("training", "seconds, process start to published", "of which training and receipt"), rows) + f"\n\n{note}"


def _with(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
