"""HTML page of a training's receipt, for people: one small self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from dinolabel.training.report.gallery import Gallery
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.bundles.figures import kept, measured_rows

UNNAMED = UNKNOWN_LABEL
NO_PICTURES = Gallery()
MOST_NAMES = 10  # rows before the others go under details

LEGEND = (
    "Distance is one minus the cosine to the nearest approved crop of the name. False reject: true objects beyond the threshold. "
    "False accept: look-alikes (other names, or what people called unknown) within it. AUROC: how well distance alone tells the two apart."
)
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d8dce2;--paper:#fff;--good:#1a7f4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#343a42;--paper:#15181c;--good:#4cc38a;--bad:#f2857d}
.plots img{filter:invert(.92) hue-rotate(180deg)}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:68rem;margin:1.6rem auto;padding:0 1.2rem}
h1{font-size:1.1rem;margin:0}h2{font-size:1rem;margin:0 0 .5rem}.soft{color:var(--soft)}p{margin:.3rem 0}
.opening{font-size:1.35rem;line-height:1.3;border-left:4px solid;padding:.1rem 0 .1rem .9rem;margin:1rem 0 .6rem}
.yes{border-color:var(--good)}.no{border-color:var(--bad)}a{color:inherit}
main{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:1.6rem 2.4rem;margin:1.4rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:left;vertical-align:middle;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);overflow-wrap:break-word}
th{font-weight:500;color:var(--soft)}td.n,th.n{text-align:right;white-space:nowrap}td.bad{color:var(--bad);font-weight:600}
.face{display:block;width:2.5rem;height:2.5rem;object-fit:cover;border-radius:4px}
ul.wrong{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(6rem,1fr));gap:.8rem;padding:0;margin:0 0 .4rem}
.wrong img,.wrong .gone{display:block;width:100%;height:6rem;object-fit:contain;border-radius:4px;background:var(--line)}
.wrong .gone{line-height:6rem;text-align:center;color:var(--soft)}.wrong li{font-size:.85rem;line-height:1.35;overflow-wrap:anywhere}
.plots{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.plots img{flex:0 1 20.5rem;width:20.5rem;min-width:0;max-width:100%;border-radius:4px}
details{border-top:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;font-weight:500}details>*+*{margin-top:.6rem}
.facts td:first-child{width:13rem;color:var(--soft)}.facts td{vertical-align:top;overflow-wrap:anywhere}
@media(max-width:48rem){main{grid-template-columns:minmax(0,1fr)}}
@media(max-width:30rem){body{font-size:14px;margin:1rem auto;padding:0 .8rem}td,th{padding-right:.5rem}
.facts td{display:block;width:auto!important;padding:.1rem 0}.facts td:not(:last-child){border:0}}
"""


def page(receipt: Mapping[str, Any], plots: Mapping[str, bytes], shown: Gallery = NO_PICTURES) -> str:
    """One self-contained page: first how many were right, each name, the wrong crops, the plots; all else under details."""
    state = "Published" if receipt["published"] else "Not published"
    project, opening = escape(str(receipt["project"])), receipt.get("opening") or ""
    rest = receipt["verdict"].replace(opening, "", 1).strip() if opening else ""
    pictures = "".join(_picture(name, "png", each) for name, each in plots.items())
    parts = [
        f"<h1>{state}{' as ' + escape(receipt['bundle']) if receipt['bundle'] else ''}</h1>",
        f'<p class="soft">Project {project}, {escape(receipt["at"])}</p>',
        f'<p class="opening {"yes" if receipt["published"] else "no"}">{escape(opening or receipt["verdict"])}</p>',
        f"<p>{escape(rest)}</p>" if rest else "",
        f"<main><section>{_names(receipt, shown)}</section><section>{_wrong(receipt, shown)}</section></main>",
        f'<div class="plots">{pictures}</div>' if pictures else "",
        *_details(receipt),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{state}: project {project}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{"".join(parts)}</body></html>\n'


def _names(receipt: Mapping[str, Any], shown: Gallery) -> str:
    """A row a name: a face, how many were approved, how many of those held out were right and wrong; most wrong first."""
    candidate, objects = receipt["judged"]["candidate"], receipt["data"]["objects"]
    scores = candidate["per_label"] if candidate else {}
    lines = {name: _right_and_wrong(scores.get(name)) for name in {*objects, *scores} - {UNNAMED}}
    order = sorted(lines, key=lambda name: (-(lines[name] or (0, 0))[1], name))
    rows = [_name(name, objects.get(name, 0), lines[name], shown.faces.get(name)) for name in order]
    head = '<tr><th></th><th>name</th><th class="n">approved</th><th class="n">right</th><th class="n">wrong</th></tr>'
    first, others = (f"<table>{head}{''.join(some)}</table>" for some in (rows[:MOST_NAMES], rows[MOST_NAMES:]))
    more = f"<details><summary>{len(rows) - MOST_NAMES} more names</summary>{others}</details>" if len(rows) > MOST_NAMES else ""
    return f"<h2>Names</h2>{first}{more}"


def _right_and_wrong(score: Mapping[str, Any] | None) -> tuple[int, int] | None:
    """Of the objects held out; None where there was none."""
    if not score or not score["objects"]:
        return None
    right = round(score["recall"] * score["objects"])
    return right, score["objects"] - right


def _name(name: str, approved: int, counts: tuple[int, int] | None, face: bytes | None) -> str:
    right, wrong = map(str, counts) if counts else ("–", "–")
    picture = _picture("", "jpeg", face, "face") if face else ""
    bad = " bad" if counts and counts[1] else ""
    figures = f'<td class="n">{approved}</td><td class="n">{right}</td><td class="n{bad}">{wrong}</td>'
    return f"<tr><td>{picture}</td><td>{escape(name)}</td>{figures}</tr>"


def _wrong(receipt: Mapping[str, Any], shown: Gallery) -> str:
    """The crops that got a wrong name, or none, as pictures with a link to their task where Label Studio's address is known."""
    if receipt["judged"]["candidate"] is None:
        return "<h2>Wrong</h2><p>Nothing could be held out yet.</p>"
    told = receipt.get("wrong")
    if told is None:
        return ""
    items = [_crop(receipt, crop, jpeg) for crop, jpeg in zip(told["shown"], shown.thumbnails, strict=True)]
    left = told["count"] - len(items)
    more = f'<p class="soft">and {left} more</p>' if left > 0 else ""
    return f'<h2>Wrong</h2><ul class="wrong">{"".join(items)}</ul>{more}' if items else "<h2>Wrong</h2><p>None.</p>"


def _crop(receipt: Mapping[str, Any], crop: Mapping[str, Any], jpeg: bytes | None) -> str:
    name, answer = crop["name"] or "a stranger", crop["answer"]
    said = f"{name} → {answer}" if answer else f"{name}, left unnamed"
    picture = _picture(said, "jpeg", jpeg) if jpeg else '<span class="gone">no picture</span>'
    return f"<li>{picture}{escape(said)} {crop['confidence']:.2f}<br>{_task(receipt, crop['task'])}</li>"


def _task(receipt: Mapping[str, Any], task: int) -> str:
    """`task 17`, a link where it is known where that is: an address of the web, nothing else."""
    studio = receipt.get("studio") or ""
    if not studio.startswith(("http://", "https://")):
        return f'<span class="soft">task {task}</span>'
    address = f"{studio}/projects/{receipt['project']}/data?task={task}"
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">task {task}</a>'


def _picture(words: str, kind: str, data: bytes, style: str = "") -> str:
    marked = f' class="{style}"' if style else ""
    return f'<img{marked} alt="{escape(words)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _details(receipt: Mapping[str, Any]) -> Iterator[str]:
    judged, data = receipt["judged"], receipt["data"]
    yield _folded("What would help", _advice(receipt))
    yield _folded(
        f"Figures ({judged['basis']})",
        _scores(judged["candidate"], judged["current"]) + _labels(judged["candidate"], data["objects"]),
    )
    asked = _rows((check["name"], "yes" if check["passed"] else "no", check["words"]) for check in receipt["checks"])
    yield _folded("The gate asked", asked if receipt["checks"] else "")
    yield _folded("Learnt from", _facts(data))
    yield _folded("Head", f'{_facts({**receipt["head"], **receipt["calibration"]})}<p class="soft">{escape(LEGEND)}</p>')
    yield _folded("Fine-tuning", _facts(receipt["finetuning"]) if receipt.get("finetuning") else "")
    yield _folded("What was judged, and what is published", f"<p>{escape(receipt['note'])}</p>")


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>" if content else ""


def _scores(candidate: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> str:
    if candidate is None:
        return ""
    header = ("", "candidate", *(["current"] if current else []))
    rows: list[tuple[str, ...]] = [(words, *values) for words, values in measured_rows(candidate, *([current] if current else []))]
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
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in told) + "</ul>" if told else ""


def _facts(facts: Mapping[str, Any]) -> str:
    return _rows(((key.replace("_", " "), _format_value(value)) for key, value in facts.items()), style="facts")


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_format_value(each)}" for key, each in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_format_value, value)) or "none"
    return "none" if value is None else str(value)


def _rows(rows: Iterable[Sequence[str]], header: Sequence[str] = (), style: str = "") -> str:
    top = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table{f' class={style!r}' if style else ''}>{f'<tr>{top}</tr>' if top else ''}{body}</table>"
