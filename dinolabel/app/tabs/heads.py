"""What the models tab does: the heads of a project with their receipts and figures, two side by side, pin and go back."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinolabel.vision.bundles import figures
from dinolabel.vision.bundles.registry import BundleStore, PublishedBundle
from dinolabel.vision.errors import RequestError

SHOWN = ("accuracy", "coverage", "macro_f1")
HEADERS = ["", "head", "made", "names", "boxes", *(figures.FIGURES[each] for each in SHOWN)]
NONE_YET = "No head yet. Name some boxes in Label Studio, then press **Start training** there or run `dinolabel train`."
WIDTH, HEIGHT, PAD = 640, 220, 44  # of the curve, SVG units


@dataclass(frozen=True)
class HeadsView:
    """table: rows under HEADERS, newest first. curve: SVG. choices: (words, id), newest first. status: Markdown."""

    table: list[list[str]]
    curve: str
    choices: list[tuple[str, str]]
    status: str


class HeadsTab:
    def __init__(self, store: BundleStore) -> None:
        self._store = store

    def projects(self) -> list[tuple[str, str]]:
        return [(f"Project {each}", each) for each in self._store.projects()]

    def show(self, project: str | None) -> HeadsView:
        """All of a project's heads."""
        entries = self._store.heads(project) if project else []
        if not project or not entries:
            return HeadsView([], "", [], NONE_YET)
        newest_first = list(reversed(entries))
        current, pinned, wanted = self._store.current(project), self._store.pinned(project), self._store.desired(project)
        coming = wanted if wanted != current else None
        marks = {
            each.id: ", ".join(word for word, which in (("shown", current), ("pinned", pinned), ("coming", coming)) if which == each.id)
            for each in entries
        }
        table = [self._line(project, each, marks[each.id]) for each in newest_first]
        points = [(self._boxes(project, each), each) for each in entries]
        choices = [(f"{each.id[:6]} · {each.at[:16].replace('T', ' ')} · {', '.join(each.labels)}", each.id) for each in newest_first]
        state = f"Pinned to `{pinned}`: newer heads are proposed and not shown." if pinned else "Nothing is pinned: the newest head serves."
        return HeadsView(table, curve(points), choices, state)

    def receipt(self, project: str | None, head: str | None) -> str:
        """The receipt's own page in a frame that may run nothing. Raises RequestError."""
        if not project or not head:
            return ""
        path = self._store.folder(project, head) / "receipt.html"
        if not path.is_file():
            return "<p>This head was published without a receipt.</p>"
        page = html.escape(path.read_text(encoding="utf-8"), quote=True)
        # Same origin, so that the page may measure it (FIT); no scripts and no forms, whatever a label says. A task opens in a window
        # of its own, where Label Studio needs its scripts.
        sandbox = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
        return f'<iframe class="receipt" title="Receipt of {html.escape(head)}" sandbox="{sandbox}" srcdoc="{page}"></iframe>'

    def compare(self, project: str | None, one: str | None, other: str | None) -> list[list[str]]:
        """Rows of what, one, other, difference. Raises RequestError when a head is not there."""
        if not project or not one or not other:
            return []
        first, second = (self._store.get(project, each) for each in (one, other))
        rows = [["names", ", ".join(first.labels), ", ".join(second.labels), _new(first.labels, second.labels)]]
        boxes = [sum(each.trained_on.values()) for each in (first, second)]
        rows.append(["boxes learnt from", *map(str, boxes), f"{boxes[1] - boxes[0]:+d}"])
        before, after = first.metrics, second.metrics
        for key, words in figures.FIGURES.items():
            rows.append([words, figures.percent(before, key), figures.percent(after, key), figures.points(before, after, key)])
        return rows

    def pin(self, project: str | None, head: str | None) -> None:
        """Hold the project at this head. Raises RequestError."""
        self._store.pin(_selected(project), _selected(head))

    def unpin(self, project: str | None) -> None:
        self._store.pin(_selected(project), None)

    def roll_back(self, project: str | None) -> str:
        """Pin the head before the one that is wanted; its id. Raises RequestError when there is none."""
        name = _selected(project)
        ids = [each.id for each in self._store.heads(name)]
        wanted = self._store.desired(name)
        at = ids.index(wanted) if wanted in ids else 0
        if at < 1:
            raise RequestError("There is no head before this one.", hint="The table shows what there is.")
        self._store.pin(name, ids[at - 1])
        return ids[at - 1]

    def acts(self, project: str | None) -> tuple[bool, bool, bool]:
        """Whether there is something to pin, to let go, to roll back to."""
        ids = [each.id for each in self._store.heads(project)] if project else []
        if not project or not ids:
            return False, False, False
        return True, self._store.pinned(project) is not None, self._store.desired(project) in ids[1:]

    def _boxes(self, project: str, entry: PublishedBundle) -> int:
        return sum(self._store.get(project, entry.id).trained_on.values())

    def _line(self, project: str, entry: PublishedBundle, marks: str) -> list[str]:
        shares = [figures.percent(entry.metrics, key) for key in SHOWN]
        made = entry.at[:16].replace("T", " ")
        return [marks, entry.id, made, ", ".join(entry.labels), f"{self._boxes(project, entry):,}", *shares]


def curve(points: Sequence[tuple[int, PublishedBundle]]) -> str:
    """Macro-F1 (with its interval where it has one) against approved boxes, as SVG in the page's own colours; "" for fewer than two."""
    measured = [(boxes, entry.metrics) for boxes, entry in points if isinstance(entry.metrics.get("macro_f1"), int | float)]
    if len(measured) < 2:
        return ""
    most = max(boxes for boxes, _ in measured) or 1
    places = [(PAD + (WIDTH - 2 * PAD) * boxes / most, _height(float(metrics["macro_f1"])), metrics) for boxes, metrics in measured]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    grid = "".join(
        f'<line x1="{PAD}" x2="{WIDTH - PAD}" y1="{_height(each)}" y2="{_height(each)}"/><text x="{PAD - 8}" y="{_height(each) + 4}" '
        f'text-anchor="end">{each:.0%}</text>'
        for each in (0.0, 0.5, 1.0)
    )
    dots = "".join(f"{_whisker(x, metrics)}<circle cx='{x:.1f}' cy='{y:.1f}' r='4'/>" for x, y, metrics in places)
    legend = f"up to {most:,} approved boxes · {figures.FIGURES['macro_f1']} held out"
    words = f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">{legend}</text>'
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Learning curve">{grid}'
        f'<polyline points="{line}"/>{dots}{words}</svg>'
    )


def _height(share: float) -> float:
    return round(PAD / 2 + (HEIGHT - 1.5 * PAD) * (1 - share), 1)


def _whisker(x: float, metrics: Mapping[str, Any]) -> str:
    interval = figures.interval(metrics, "macro_f1")
    if not interval:
        return ""
    return f'<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{_height(interval[0])}" y2="{_height(interval[1])}"/>'


def _new(one: Sequence[str], other: Sequence[str]) -> str:
    changes = [f"+ {each}" for each in other if each not in one] + [f"− {each}" for each in one if each not in other]
    return ", ".join(changes) or "the same"


def _selected(value: str | None) -> str:
    if not value:
        raise RequestError("Nothing is chosen.", hint="Choose a project and a head first.")
    return value
