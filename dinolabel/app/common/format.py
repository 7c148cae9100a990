"""Findings in words: lines of the table, rows of the JSON, one sentence of what came out or what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dinolabel.vision.loading.weights import tell_limits
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.proposals.labelled_box import LabelledBox
from dinolabel.vision.types import Detection, Named

FORMAT = 1
HEADERS = ["label", "phrase", "score", "confidence", "likeliest names"]
Names = Sequence[tuple[str, float]]


def line(detection: Detection, names: Names = (), labels: Mapping[str, str] | None = None) -> list[str]:
    """A row under HEADERS. names: the likeliest with their confidence. labels: phrase -> label, where a phrase is not its own label."""
    found = LabelledBox.of(detection, labels)
    confidence = "–" if found.confidence is None else f"{found.confidence:.2f}"
    likeliest = " · ".join(f"{name} {value:.2f}" for name, value in names) or "–"
    return [found.label, found.phrase, f"{found.score:.2f}", confidence, likeliest]


def row(detection: Detection, names: Names = (), labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """As LabelledBox.row, and `top`: [{"label", "confidence"}], best first; empty without a head."""
    return LabelledBox.of(detection, labels).row() | {"top": [{"label": name, "confidence": round(value, 4)} for name, value in names]}


def document(
    found: Mapping[str, Sequence[Mapping[str, Any]]], failed: Mapping[str, str], *, prompt: str, box: float, text: float, head: str | None
) -> dict[str, Any]:
    """What is downloaded. found: file name -> rows. failed: file name -> sentence. head: bundle id, or None."""
    return {
        "format": FORMAT,
        "prompt": prompt,
        "head": head,
        "thresholds": {"box": box, "text": text},
        "images": [{"file": name, "found": list(rows)} for name, rows in found.items()],
        "failed": [{"file": name, "error": why} for name, why in failed.items()],
    }


def count_sentence(detections: Sequence[Detection], seconds: float) -> str:
    named = sum(isinstance(each.answer, Named) for each in detections)
    names = f" · {named} named" if any(each.answer for each in detections) else ""
    took = f"{seconds:.1f} s" if seconds >= 0.1 else "from the cache"
    return f"**{len(detections)} found**{names} · {took}"


def nothing_sentence(candidates: Sequence[Candidate], box: float, *, weights: str = "") -> str:
    """What to try, from what the detector proposed below the thresholds: it is in the cache, so it costs nothing.

    weights: what the detector calls its own; where they cannot do photos, that is said first.
    """
    limits = tell_limits(weights)
    first = f"`{weights}` {limits}: for those start the app with `--weights hub`. " if limits else ""
    return first + _advice(candidates, box)


def _advice(candidates: Sequence[Candidate], box: float) -> str:
    if not candidates:
        return "Nothing like that is in the picture. Try other words: a plain noun in English works best."
    best = candidates[0]
    if best.score < box:
        return f"Nothing scores {box:.2f}. The best box, `{best.phrase}`, has {best.score:.2f}: lower the box threshold to see it."
    return f"`{best.phrase}` scores {best.score:.2f}, but its words match weakly: lower the text threshold to see it."
