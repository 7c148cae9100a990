"""What is different between two heads: what they learnt from, what they are, and how they measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.figures import FIGURES, measured_rows
from dinolabel.vision.images.crop_id import object_of

Line = tuple[str, str, str]


def data(before: Bundle, after: Bundle) -> Iterator[Line]:
    """(what, before, after) of what the two learnt from."""
    for name in sorted({*before.trained_on, *after.trained_on}):
        yield name, _count(before.trained_on.get(name)), _count(after.trained_on.get(name))
    yield "approved up to", before.trained_until or "–", after.trained_until or "–"
    old, new = _objects(before), _objects(after)
    both = old.keys() & new.keys()
    renamed = sum(old[each] != new[each] for each in both)
    yield "objects in common", str(len(both)), f"{renamed} under another name" if renamed else "all under the same name"
    yield "only in one", f"{len(old.keys() - both)} gone", f"{len(new.keys() - both)} new"


def making(before: Bundle, after: Bundle) -> Iterator[Line]:
    """(what, before, after) of how they answer, only what differs."""
    for what, one, other in zip(_MAKING, _facts(before), _facts(after), strict=True):
        if one != other:
            yield what, one, other


def figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Line]:
    """(what, before, after) of the gate's measurements, each on its own held-out pictures; – where there is none."""
    yield from ((words, one, other) for words, (one, other) in measured_rows(before, after))
    scores = (before.get("per_label", {}), after.get("per_label", {}))
    for name in sorted({*scores[0], *scores[1]}):
        yield f"found: {name}", _recall(scores[0].get(name)), _recall(scores[1].get(name))


def on_the_same(receipt: Mapping[str, Any], before_id: str) -> str | None:
    """How the newer head measured against the older on the same held-out pictures, when its receipt has just that comparison."""
    found = (receipt.get("judged") or {}).get("macro_f1_difference")
    if not found or (receipt.get("changed") or {}).get("since") != before_id:
        return None
    change = found["candidate"] - found["current"]
    candidate = receipt["judged"].get("candidate") or FIGURES
    figure = FIGURES["macro_f1"] if "macro_f1" in candidate else "F1"  # of a single name there is no mean
    # earlier receipts have one without width where both heads answer alike: that is none
    interval = f", 95 % interval {found['low']:+.2f} to {found['high']:+.2f}" if found["low"] < found["high"] else ""
    return f"{figure} {found['current']:.2f} → {found['candidate']:.2f} ({change:+.2f}{interval})"


def looks_at(bundle: Bundle) -> str:
    """How much of an embedding the head reads: DINOv2's class token comes first, the mean of the patch tokens after it."""
    columns = f"{bundle.references.shape[1]:,} numbers"
    return f"the first {columns} of each embedding" if bundle.width else f"all {columns} of each embedding"


_MAKING = ("kind", "looks at", "embedder", "accepts", "distance", "temperature", "crops", "deleted boxes kept in mind")


def _facts(bundle: Bundle) -> tuple[str, ...]:
    policy, nothing = bundle.policy, bundle.nothing
    return (
        bundle.head_name,
        looks_at(bundle),
        f"{bundle.embedder_name} ({bundle.embedder_digest[:12]})",
        f"{bundle.accept_threshold:.2f} or more",
        f"{bundle.distance_threshold:.2f} or less",
        f"{bundle.temperature:.2f}",
        f"margin {policy.margin:g}, at most {policy.max_side} px, none under {policy.min_side} px",
        f"{len(nothing.rejected)}, within {nothing.distance:.2f}" if nothing else "none",
    )


def _objects(bundle: Bundle) -> dict[str, str]:
    """Object -> its label, views together."""
    return {object_of(each): label for each, label in zip(bundle.reference_ids, bundle.reference_labels, strict=True)}


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _recall(score: Mapping[str, Any] | None) -> str:
    return f"{score['recall']:.2f} of {score['objects']}" if score and score.get("objects") else "–"
