"""The effort report as one self-contained page: figures, the curve over time, and the pictures that took most work."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from dinolabel.exporters.annotation_effort.counts import BY_HAND, EDITS, FORGOTTEN, KEYS, AnnotationEdits, BoxEdit

COLOURS = {"accepted": "#2e9e6b", "renamed": "#3b7ddd", "moved": "#c98a1b", "drawn": "#8e5bd0", "deleted": "#d1495b", "changed": "#7d8590"}
SERIES = ("#3b7ddd", "#2e9e6b", "#c98a1b", "#8e5bd0", "#d1495b", "#1d9aa8", "#7d8590")
WIDE, TALL, LEFT, BELOW = 720, 220, 34, 26

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--line:#d8dce2;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#343a42;--paper:#15181c}}
body{font:15px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:52rem;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.35rem;margin:0 0 .3rem}h2{font-size:1rem;margin:2.2rem 0 .6rem}.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:.3rem 0 .3rem .9rem;border-bottom:1px solid var(--line)}
td:first-child,th:first-child{text-align:left;padding-left:0}
th{font-weight:500;color:var(--soft)}td:first-child{overflow-wrap:anywhere;min-width:7rem}
svg text{fill:var(--soft);font-size:11px;paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0}
.key i{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.4rem}
.bar{display:flex;height:1rem;border-radius:3px;overflow:hidden;min-width:8rem}.bar i{display:block}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}figure{margin:0}
figure div{position:relative}figure img{width:100%;display:block;border-radius:4px}
figure svg{position:absolute;inset:0;width:100%;height:100%}
figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
"""

Thumbnail = Callable[[Any], bytes | None]
"""From a task's picture address to a small JPEG of the upright picture, None when it cannot be had."""


def page(summary: Mapping[str, Any], hardest: Sequence[AnnotationEdits], *, title: str, thumbnail: Thumbnail) -> str:
    """summary: Effort.summary(). hardest: the answers to show, with their pictures."""
    pictures = "".join(_figure(each, thumbnail) for each in hardest)
    parts = [
        f"<h1>Work on {escape(title)}</h1>",
        f'<p class="soft">{_sentences(summary)}</p>',
        "<h2>By model version</h2>",
        _table("version", [(each["model_version"], each) for each in summary["versions"]], summary["versions"]),
        _key(summary["versions"]),
        "<h2>Keys per box over time</h2>",
        _curve(summary["curve"]),
        *(_labels(each) for each in reversed(summary["versions"])),
        f'<h2>Where most work went</h2><p class="soft">Dashed: as predicted. Solid: as left.</p><div class="sheet">{pictures}</div>'
        if pictures
        else "",
        f'<p class="soft">Keys: {", ".join(f"{name} {KEYS[name]}" for name in EDITS)}; a drag counts as one; submits are not counted.</p>',
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Work on {escape(title)}</title>'
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"


def _sentences(summary: Mapping[str, Any]) -> str:
    boxes, keys = (sum(each[name] for each in summary["versions"]) for name in ("boxes", "keys"))
    if not boxes:
        return "No box was approved yet."
    share = 1 - keys / (KEYS["drawn"] * boxes)
    less = f"{share:.0%} less than drawing each by hand" if share >= 0 else f"{-share:.0%} more than drawing each by hand"
    return f"{summary['annotations']:,} annotations, {boxes:,} boxes, {keys:,} keys: {keys / boxes:.2f} a box, {less}."


def _table(first: str, named: Sequence[tuple[str, Mapping[str, Any]]], counted: Sequence[Mapping[str, Any]]) -> str:
    deeds = [each for each in EDITS if each != "changed" or any(row["changed"] for row in counted)]
    head = "".join(f"<th>{each}" for each in (first, "boxes", *deeds, "keys a box", ""))
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{row['boxes']:,}"
        + "".join(f"<td>{row[each]:,}" for each in deeds)
        + f"<td>{_ratio(row['keys_per_box'])}<td>{_bar(row)}"
        for name, row in named
    )
    return f'<div class="wide"><table><tr>{head}{rows}</table></div>'


def _bar(row: Mapping[str, Any]) -> str:
    total = sum(row[each] for each in EDITS) or 1
    parts = "".join(
        f'<i style="width:{100 * row[each] / total:.2f}%;background:{COLOURS[each]}" title="{each} {row[each]}"></i>'
        for each in EDITS
        if row[each]
    )
    return f'<div class="bar">{parts}</div>'


def _key(rows: Sequence[Mapping[str, Any]]) -> str:
    there = [each for each in EDITS if each != "changed" or any(row["changed"] for row in rows)]
    return '<div class="key soft">' + "".join(f'<span><i style="background:{COLOURS[each]}"></i>{each}</span>' for each in there) + "</div>"


def _labels(version: Mapping[str, Any]) -> str:
    if not version["labels"]:
        return ""
    renamed = ", ".join(f"{escape(each['from'])} → {escape(each['to'])} {each['boxes']}" for each in version["renamings"][:8])
    listed = f'<p class="soft">Renamed: {renamed}</p>' if renamed else ""
    table = _table("label", [(each["label"], each) for each in version["labels"]], version["labels"])
    return f"<h2>{escape(version['model_version'])}</h2>{table}{listed}"


def _curve(curve: Sequence[Mapping[str, Any]]) -> str:
    """A line per version; the dashed level is what drawing by hand would take."""
    points = [each for each in curve if each["keys_per_box"] is not None]
    if not points:
        return '<p class="soft">Nothing to show yet.</p>'
    last, top = max(each["to"] for each in curve), max(KEYS["drawn"] * 1.15, *(each["keys_per_box"] for each in points))

    def place(each: Mapping[str, Any]) -> tuple[float, float]:
        middle = (each["from"] + each["to"]) / 2
        return LEFT + (WIDE - LEFT - 8) * middle / (last + 1), 8 + TALL * (1 - each["keys_per_box"] / top)

    versions = list(dict.fromkeys(each["version"] for each in points))
    colours = {version: SERIES[at % len(SERIES)] for at, version in enumerate(versions)}
    drawn = "".join(_line([place(each) for each in points if each["version"] == version], colours[version]) for version in versions)
    key = "".join(f'<span><i style="background:{colours[each]}"></i>{escape(each)}</span>' for each in versions)
    size = f'viewBox="0 0 {WIDE} {TALL + BELOW + 8}" width="100%" role="img" aria-label="keys per box over time"'
    return f'<div class="wide"><svg {size}>{drawn}{_axes(last, top)}</svg></div><div class="key soft">{key}</div>'


def _axes(last: int, top: float) -> str:
    lines = []
    for level in range(int(top) + 1):
        y = 8 + TALL * (1 - level / top)
        dashed = ' stroke-dasharray="5 4"' if level == KEYS["drawn"] else ""
        lines.append(f'<line x1="{LEFT}" x2="{WIDE - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" stroke-opacity=".18"{dashed}/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{level}</text>')
    hand = 8 + TALL * (1 - KEYS["drawn"] / top)
    lines.append(f'<text x="{WIDE - 8}" y="{hand - 5:.1f}" text-anchor="end">drawn by hand</text>')
    lines.append(f'<text x="{LEFT}" y="{TALL + BELOW + 2}">first annotation</text>')
    lines.append(f'<text x="{WIDE - 8}" y="{TALL + BELOW + 2}" text-anchor="end">annotation {last:,}</text>')
    return "".join(lines)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def _figure(one: AnnotationEdits, thumbnail: Thumbnail) -> str:
    data = thumbnail(one.address)
    frame = next((region for each in one.edits for region in (each.kept, each.shown) if region is not None), None)
    if data is None or frame is None:
        return ""
    boxes = "".join(_boxes(each) for each in one.edits)
    picture = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
    overlay = f'<svg viewBox="0 0 {frame.width} {frame.height}" preserveAspectRatio="none">{boxes}</svg>'
    said = ", ".join(
        f"{sum(name in each.what for each in one.edits)} {name}" for name in EDITS if any(name in each.what for each in one.edits)
    )
    version = "" if one.version in (BY_HAND, FORGOTTEN) else f" · {escape(one.version)}"
    return f"<figure><div>{picture}{overlay}</div><figcaption>task {one.task}{version}: {one.keys} keys; {said}</figcaption></figure>"


def _boxes(deed: BoxEdit) -> str:
    colour = COLOURS[deed.what[0]]
    shown = _rectangle(deed.shown.box.xyxy, colour, ' stroke-dasharray="6 4" stroke-opacity=".9"') if deed.shown else ""
    return shown + (_rectangle(deed.kept.box.xyxy, colour, "") if deed.kept else "")


def _rectangle(box: tuple[float, float, float, float], colour: str, more: str) -> str:
    x1, y1, x2, y2 = box
    size = f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
    edge = 'fill="none" vector-effect="non-scaling-stroke"'
    around = f'<rect {size} {edge} stroke="#000" stroke-opacity=".45" stroke-width="5"/>'  # seen on any picture
    return f'{around}<rect {size} {edge} stroke="{colour}" stroke-width="2.5"{more}/>'
