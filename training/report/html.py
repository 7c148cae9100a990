"""HTML page of a training's receipt, for people: one small self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dinolabel import pages
from dinolabel.training.report.gallery import Gallery
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.bundles.figures import NONE, measured_rows, unknown_kept

TEMPLATE = Path(__file__).with_name("report.html")
NO_PICTURES = Gallery()
SVG_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'  # which a file needs, and a page does not
MOST_NAMES = 10  # rows before the others go under details

LEGEND = (
    "Distance is one minus the cosine to the nearest approved crop of the name. False reject: true objects beyond the threshold. "
    "False accept: look-alikes (other names, or what people called unknown) within it. AUROC: how well distance alone tells the two apart."
)


def page(receipt: Mapping[str, Any], plots: Sequence[str], shown: Gallery = NO_PICTURES) -> str:
    """One self-contained page: first how many were right, each name, the wrong crops, the plots, each SVG; all else under details."""
    candidate, opening = receipt["judged"]["candidate"], receipt.get("opening") or ""
    objects, scores = receipt["data"]["objects"], candidate["per_label"] if candidate else {}
    names = sorted({*objects, *scores} - {UNKNOWN_LABEL})
    return pages.render(
        TEMPLATE,
        receipt=receipt,
        candidate=candidate,
        state="Published" if receipt["published"] else "Not published",
        opening=opening,
        rest=receipt["verdict"].replace(opening, "", 1).strip() if opening else "",
        names=sorted((_name(name, objects, scores, shown) for name in names), key=lambda row: (-row["some_wrong"], row["name"])),
        most_names=MOST_NAMES,
        wrong=_wrong(receipt, shown),
        plots=[each.replace(SVG_NAMESPACE, "", 1) for each in plots],
        advice=_advice(receipt),
        figures=_figures(candidate, receipt["judged"]["current"]),
        labels=[_label(name, objects, scores.get(name)) for name in names],
        facts=_facts,
        legend=LEGEND,
    )


def _name(name: str, objects: Mapping[str, int], scores: Mapping[str, Any], shown: Gallery) -> dict[str, Any]:
    """A face, how many were approved, how many of those held out were right and wrong."""
    score = scores.get(name)
    judged = score["objects"] if score else 0
    right = round(score["recall"] * judged) if score and judged else 0
    counts = {"right": right, "wrong": judged - right} if judged else {"right": NONE, "wrong": NONE}
    return {"name": name, "approved": objects.get(name, 0), "some_wrong": judged - right, "face": shown.faces.get(name), **counts}


def _wrong(receipt: Mapping[str, Any], shown: Gallery) -> list[dict[str, Any]]:
    """The crops that got a wrong name, or none, each with its picture and its task's address where it is known."""
    crops = (receipt.get("wrong") or {}).get("shown", []) if receipt["judged"]["candidate"] else []
    return [
        {
            "words": f"{crop['name'] or 'a stranger'}{' → ' + crop['answer'] if crop['answer'] else ', left unnamed'}",
            "confidence": f"{crop['confidence']:.2f}",
            "jpeg": jpeg,
            "task": crop["task"],
            "address": _address(receipt, crop["task"]),
        }
        for crop, jpeg in zip(crops, shown.thumbnails, strict=True)
    ]


def _address(receipt: Mapping[str, Any], task: int) -> str:
    """Of a task in the web, where Label Studio's is one; else nothing."""
    studio = receipt.get("studio") or ""
    return f"{studio}/projects/{receipt['project']}/data?task={task}" if studio.startswith(("http://", "https://")) else ""


def _figures(candidate: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    if candidate is None:
        return []
    heads = [candidate, *([current] if current else [])]
    rows: list[tuple[str, ...]] = [(words, *values) for words, values in measured_rows(*heads)]
    return rows + ([("unknown objects left unnamed", *map(unknown_kept, heads))] if candidate["unknown"] else [])


def _label(name: str, objects: Mapping[str, int], score: Mapping[str, Any] | None) -> tuple[str, ...]:
    figures = (
        (str(score["objects"]), f"{score['recall']:.2f}", f"{score['precision']:.2f}") if score and score["objects"] else ("0", NONE, NONE)
    )
    return (name, str(objects.get(name, 0)), *figures)


def _advice(receipt: Mapping[str, Any]) -> list[str]:
    """What a person could do next: more of which names, and names that may be one."""
    alike = receipt["data"].get("names_alike", [])
    return [*receipt.get("learning", {}).get("advice", []), *(f"These names look alike, and may be one: {each}." for each in alike)]


def _facts(facts: Mapping[str, Any]) -> list[Sequence[str]]:
    return [(key.replace("_", " "), _format_value(value)) for key, value in facts.items()]


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_format_value(each)}" for key, each in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_format_value, value)) or "none"
    return "none" if value is None else str(value)
