"""What was measured on pictures that a head had not seen, in sentences: first how many were right, then the figures."""

from __future__ import annotations

from collections.abc import Collection

from dinolabel.training.metrics import EvaluationReport
from dinolabel.vision.bundles.figures import ends

FEW = 20  # objects below which a share promises nothing: of 19 right ones the interval still begins at 0.83


def opening(report: EvaluationReport, *, sources: str) -> str:
    """`8 of 8 right on pictures it had not seen: too few to promise more.` sources: what groups are, in a word."""
    few = ": too few to promise more" if report.objects < FEW else ""
    if len(report.known) == 1:
        return f"{_one_name(report, sources)}{few}."
    return f"{round(report.accuracy * report.objects)} of {report.objects} right on {sources} it had not seen{few}."


def _one_name(report: EvaluationReport, sources: str) -> str:
    """What a head does that knows one name: it tells that one from all others."""
    (name,) = report.known
    score = report.per_label[name]
    found = f"It tells {name} or not: {round(score.recall * score.objects)} of {score.objects} found on {sources} it had not seen"
    if report.unknown is None:
        return f"{found}, and no stranger to test it on"
    return f"{found}, {round(report.unknown.kept * report.unknown.objects)} of {report.unknown.objects} strangers left unnamed"


def floor(report: EvaluationReport, *, floor: float, counted: str) -> str:
    """What a first head is measured by, without a capital. counted: on what, in words."""
    bounds = f"(95 % interval {ends(report.macro_f1_interval)})"
    return f"{mean_name(report.seen)} {report.macro_f1:.2f} {bounds} on {counted}; the floor is {floor:.2f}."


def mean_name(names: Collection[str]) -> str:
    """What the mean F1 over these names is called: of one alone it is no mean."""
    return "macro-F1" if len(names) != 1 else f"F1 of {next(iter(names))}"


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
