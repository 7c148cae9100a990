"""The effort report as one self-contained page: figures, people, the curve over time, and the pictures that took most work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from dinolabel import pages
from dinolabel.studio.reviews.edits import BY_HAND, EDITS, FORGOTTEN, KEYS, AnnotationEdits

TEMPLATE = Path(__file__).with_name("report.html")
COLOURS = {"accepted": "#2e9e6b", "renamed": "#3b7ddd", "moved": "#c98a1b", "drawn": "#8e5bd0", "deleted": "#d1495b", "changed": "#7d8590"}
SERIES = ("#3b7ddd", "#2e9e6b", "#c98a1b", "#8e5bd0", "#d1495b", "#1d9aa8", "#7d8590")
WIDE, TALL, LEFT, TOP, BELOW = 720, 220, 34, 8, 26  # of the curve, SVG units

Thumbnail = Callable[[Any], bytes | None]
"""From a task's picture address to a small JPEG of the upright picture, None when it cannot be had."""


def page(summary: Mapping[str, Any], hardest: Sequence[AnnotationEdits], *, title: str, thumbnail: Thumbnail) -> str:
    """summary: EffortCounts.summary(). hardest: the answers to show, with their pictures."""
    return pages.render(
        TEMPLATE,
        title=title,
        sentence=_sentence(summary),
        versions=summary["versions"],
        people=_people(summary["people"]),
        colours=COLOURS,
        colours_of=_colours_of,
        curve=_curve(summary["curve"]),
        by_hand=KEYS["drawn"],
        pictures=[picture for each in hardest if (picture := _picture(each, thumbnail))],
        keys=", ".join(f"{name} {KEYS[name]}" for name in EDITS),
    )


def _sentence(summary: Mapping[str, Any]) -> str:
    boxes, keys = (sum(each[name] for each in summary["versions"]) for name in ("boxes", "keys"))
    if not boxes:
        return "No box was approved yet."
    share = 1 - keys / (KEYS["drawn"] * boxes)
    less = f"{share:.0%} less than drawing each by hand" if share >= 0 else f"{-share:.0%} more than drawing each by hand"
    return f"{summary['annotations']:,} annotations, {boxes:,} boxes, {keys:,} keys: {keys / boxes:.2f} a box, {less}."


def _people(people: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per person, with the share of the most keys a box. Empty where one person did it all: there is nobody to compare them with."""
    most = max([each["keys_per_box"] or 0.0 for each in people] + [0.01])
    rows = [{**each, "share": (each["keys_per_box"] or 0.0) / most} for each in people]
    return rows if len(rows) > 1 else []


def _colours_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Colours of the edits that a table of these rows shows."""
    return {name: COLOURS[name] for name in EDITS if name != "changed" or any(row["changed"] for row in rows)}


def _curve(curve: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A line per version and the levels, in SVG units; nothing where there is nothing to draw."""
    points = [each for each in curve if each["keys_per_box"] is not None]
    if not points:
        return {}
    last, top = max(each["to"] for each in curve), max(KEYS["drawn"] * 1.15, *(each["keys_per_box"] for each in points))
    right, versions = WIDE - 8, dict.fromkeys(each["version"] for each in points)
    colours = {version: SERIES[at % len(SERIES)] for at, version in enumerate(versions)}

    def height(keys: float) -> float:
        return float(round(TOP + TALL * (1 - keys / top), 1))

    def place(each: Mapping[str, Any]) -> tuple[float, float]:
        middle = (each["from"] + each["to"]) / 2
        return round(LEFT + (right - LEFT) * middle / (last + 1), 1), height(each["keys_per_box"])

    by_version = sorted(points, key=lambda each: list(versions).index(each["version"]))
    return {
        "width": WIDE, "height": TOP + TALL + BELOW, "left": LEFT, "right": right, "last": last, "colours": colours,
        "levels": [(level, height(level)) for level in range(int(top) + 1)],
        "lines": [
            {"colour": colours[version], "points": [place(each) for each in some]}
            for version, some in groupby(by_version, key=lambda each: each["version"])
        ],
    }  # fmt: skip


def _picture(one: AnnotationEdits, thumbnail: Thumbnail) -> dict[str, Any] | None:
    jpeg = thumbnail(one.address)
    frame = next((region for each in one.edits for region in (each.kept, each.shown) if region is not None), None)
    if jpeg is None or frame is None:
        return None
    counted = {name: sum(name in each.what for each in one.edits) for name in EDITS}
    version = "" if one.version in (BY_HAND, FORGOTTEN) else f" · {one.version}"
    said = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
    return {"jpeg": jpeg, "frame": frame, "edits": one.edits, "caption": f"task {one.task}{version}: {one.keys} keys; {said}"}
