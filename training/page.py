"""A receipt for people: one small self-contained page.

Knows the receipt's JSON and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from vision.bundle import UNKNOWN_LABEL
from vision.figures import kept, measured

UNNAMED = UNKNOWN_LABEL

LEGEND = (
    "Distance is one minus the cosine to the nearest approved crop of the name. False reject: true objects beyond the threshold. "
    "False accept: look-alikes (other names, or what people called unknown) within it. AUROC: how well distance alone tells the two apart."
)
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--line:#d8dce2;--paper:#fff;--good:#1a7f4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#343a42;--paper:#15181c;--good:#4cc38a;--bad:#f2857d}}
body{font:15px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:46rem;margin:3rem auto;padding:0 1.2rem}
h1{font-size:1.35rem;margin:0 0 .3rem}h2{font-size:1rem;margin:2.2rem 0 .5rem}.soft{color:var(--soft)}
.verdict{font-size:1.05rem;border-left:4px solid;padding:.2rem 0 .2rem .9rem;margin:1.2rem 0}
.yes{border-color:var(--good)}.no{border-color:var(--bad)}
table{border-collapse:collapse;width:100%;margin:0 0 1.4rem;font-variant-numeric:tabular-nums}
td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--soft)}td.n,th.n{text-align:right}img{max-width:100%;background:#fff;border-radius:4px}code{font-size:.9em;overflow-wrap:anywhere}
@media(max-width:30rem){body{font-size:14px;margin:1.2rem auto;padding:0 .8rem}td,th{padding-right:.5rem}td{overflow-wrap:anywhere}}
"""


def page(receipt: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """One self-contained page: the verdict first, then the numbers behind it."""
    judged, data = receipt["judged"], receipt["data"]
    state = "Published" if receipt["published"] else "Not published"
    shown = [f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(each).decode()}">' for name, each in pictures.items()]
    parts = [
        f"<h1>{state}{' as ' + escape(receipt['bundle']) if receipt['bundle'] else ''}</h1>",
        f'<p class="soft">Project {escape(str(receipt["project"]))}, {escape(receipt["at"])}</p>',
        f'<p class="verdict {"yes" if receipt["published"] else "no"}">{escape(receipt["verdict"])}</p>',
        f"<h2>On pictures it had not seen ({escape(judged['basis'])})</h2>",
        _scores(judged["candidate"], judged["current"]),
        _labels(judged["candidate"], data["objects"]),
        *shown,
        _advice(receipt),
        "<h2>The gate asked</h2>",
        _rows((check["name"], "yes" if check["passed"] else "no", check["words"]) for check in receipt["checks"]),
        "<h2>Learnt from</h2>" + _facts(data),
        "<h2>Head</h2>" + _facts({**receipt["head"], **receipt["calibration"]}),
        "<h2>Fine-tuning</h2>" + _facts(receipt["finetuning"]) if receipt.get("finetuning") else "",
        f'<p class="soft">{escape(LEGEND)}</p>',
        f'<p class="soft">{escape(receipt["note"])}</p>',
    ]
    title = f"{state}: project {escape(str(receipt['project']))}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _scores(candidate: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> str:
    if candidate is None:
        return "<p>Nothing could be held out yet.</p>"
    header = ("", "candidate", *(["current"] if current else []))
    rows: list[tuple[str, ...]] = [(words, *values) for words, values in measured(candidate, *([current] if current else []))]
    if candidate["unknown"]:
        rows.append(("unknown objects left unnamed", *(kept(each) for each in (candidate, current) if each)))
    return _rows(rows, header=header)


def _labels(candidate: Mapping[str, Any] | None, objects: Mapping[str, int]) -> str:
    scores = candidate["per_label"] if candidate else {}
    header = ("name", "approved", "judged on", "recall", "precision")
    rows = []
    for label in sorted({*objects, *scores} - {UNNAMED}):
        score = scores.get(label)
        seen = score and score["objects"]
        figures = (str(score["objects"]), f"{score['recall']:.2f}", f"{score['precision']:.2f}") if score and seen else ("0", "–", "–")
        rows.append((label, str(objects.get(label, 0)), *figures))
    return _rows(rows, header=header)


def _advice(receipt: Mapping[str, Any]) -> str:
    """What a person could do next: more of which names, and names that may be one."""
    told = list(receipt.get("learning", {}).get("advice", []))
    told += [f"These names look alike, and may be one: {each}." for each in receipt["data"].get("names_alike", [])]
    return "<h2>What would help</h2><ul>" + "".join(f"<li>{escape(each)}</li>" for each in told) + "</ul>" if told else ""


def _facts(facts: Mapping[str, Any]) -> str:
    return _rows((key.replace("_", " "), _told(value)) for key, value in facts.items())


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(each)}" for key, each in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_told, value)) or "none"
    return "none" if value is None else str(value)


def _rows(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    top = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"
