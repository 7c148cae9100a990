"""`dinolabel models`: which heads a project has, what they are worth, which one Label Studio shows; pin one, go back to one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option
from dinolabel.cli import text as words
from dinolabel.models import convert, fetch
from dinolabel.models import export as packing
from dinolabel.models import select as heads
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from rich.text import Text

    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.bundles.registry import BundleStore, PublishedBundle

HELP = "Heads: list, show, diff, pin, unpin, rollback, export. Weights: fetch, convert.\n\nExample: dinolabel models list --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)
app.command("fetch")(fetch.fetch)
app.command("convert")(convert.convert)
app.command("export")(packing.export)
HeadId = Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it; its first characters are enough.")]


def _open(project: str | None) -> tuple[Settings, BundleStore, str]:
    settings = running_settings.settings()
    return settings, factory.store(settings), project_option.resolve_name(settings, project)


@app.command("list")
def list_heads(project: options.Heads = None) -> None:
    """Every head of the project, newest first, and what became of the last trainings.

    Example: dinolabel models list --project 1
    """
    _, store, name = _open(project)
    entries = store.history(name)
    if not entries:
        console.out.print("No head yet: boxes keep their generic labels.")
        console.out.print(console.soft("Approve some boxes with names, then press Start training or run `dinolabel train`."))
    else:
        console.out.print(_table(store, name))
    for verdict in store.verdicts(name)[-3:]:
        console.out.print(console.soft(verdict.get("at", "")), console.line(" ", _told(verdict)))


def _table(store: BundleStore, project: str) -> Any:
    from dinolabel.vision.bundles.figures import FIGURES, percent

    right = ("trained on", FIGURES["accuracy"])
    table = console.table("", "head", "made", "names", *right, right=right)
    current, pinned, wanted = store.current(project), store.pinned(project), store.desired(project)
    for entry in reversed(store.heads(project)):
        bundle = store.get(project, entry.id)
        marks = [word for word, which in (("shown", current), ("pinned", pinned)) if which == entry.id]
        if wanted == entry.id and current != wanted:
            marks.append("coming")
        head = console.line(f"{entry.id} ", console.ok(" ".join(marks))) if marks else console.line(entry.id)
        count = sum(bundle.trained_on.values())
        table.add_row(
            "●" if entry.id == current else " ",
            head,
            entry.at[:16].replace("T", " "),
            ", ".join(entry.labels),
            f"{count:,}",
            percent(entry.metrics, "accuracy"),
        )
    return table


def _told(verdict: Mapping[str, Any]) -> Text:
    word = console.ok("published") if verdict.get("published") else console.warn("not published")
    reason = str(verdict.get("reason", ""))
    return console.line(word, f"  {reason}" if reason else "")


@app.command("show")
def show(head: HeadId, project: options.Heads = None) -> None:
    """What one head knows, what it was trained on, and how it measured.

    Example: dinolabel models show 9f8e7d --project 1
    """
    _, store, name = _open(project)
    entry = heads.resolve_head(store, name, head)
    bundle = store.get(name, entry.id)
    console.out.print(console.name(f"head {entry.id}"))
    receipt = store.folder(name, entry.id) / "receipt.json"
    console.out.print(console.rows([*_facts(bundle), *_measured(bundle.metrics), ("receipt", str(receipt))]))


def _facts(bundle: Bundle) -> list[tuple[str, str]]:
    from dinolabel.models import diff as headdiff

    counts = words.join_words([f"{label} {count}" for label, count in bundle.trained_on.items()])
    policy = bundle.policy
    return [
        ("names", ", ".join(bundle.labels)),
        ("trained on", f"{counts} (approved up to {bundle.trained_until})"),
        ("made", bundle.created_at),
        ("kind", f"{bundle.head_name} head over {bundle.embedder_name} ({bundle.embedder_digest[:12]})"),
        ("looks at", headdiff.looks_at(bundle)),
        ("accepts", f"confidence of {bundle.accept_threshold:.2f} or more, distance of {bundle.distance_threshold:.2f} or less"),
        ("crops", f"margin {policy.margin:g}, at most {policy.max_side} px, none under {policy.min_side} px"),
    ]


def _measured(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the gate measured, on groups the judged head had not seen; each figure with its interval where it has one."""
    from dinolabel.vision.bundles.figures import kept, measured_rows

    yield from ((figure, value) for figure, (value,) in measured_rows(metrics))
    if metrics.get("unknown"):
        yield "strangers left unnamed", kept(metrics)
    if metrics.get("objects"):
        basis = metrics.get("basis", "held out")
        yield (
            "measured on",
            f"{words.count_noun(metrics['objects'], 'object')} of {words.count_noun(metrics.get('groups', 0), 'group')}, {basis}",
        )


@app.command("diff")
def diff(before: HeadId, after: HeadId, project: options.Heads = None) -> None:
    """What changed from one head to another: in what they learnt from, in how they answer, in what they measured.

    Example: dinolabel models diff 1a2b3c 9f8e7d --project 1
    """
    from dinolabel.models import diff as headdiff

    _, store, name = _open(project)
    ids = [heads.resolve_head(store, name, each).id for each in (before, after)]
    one, other = (store.get(name, each) for each in ids)
    parts = (headdiff.data(one, other), headdiff.making(one, other), headdiff.figures(one.metrics, other.metrics))
    for title, lines in zip(("learnt from", "answers by", "measured, each on its own held-out pictures"), parts, strict=True):
        table = console.table(title, *ids)
        rows = list(lines)
        for row in rows:
            table.add_row(*row)
        if rows:
            console.out.print(table)
            console.out.print()
    receipt = json.loads((store.folder(name, ids[1]) / "receipt.json").read_text(encoding="utf-8"))
    same = headdiff.on_the_same(receipt, ids[0])
    console.out.print(f"On the same held-out pictures: {same}." if same else console.soft("They were not compared on the same pictures."))


@app.command("pin")
def pin(head: HeadId, project: options.Heads = None) -> None:
    """Keep this head, whatever is trained: new heads are proposed and not shown.

    Example: dinolabel models pin 9f8e7d --project 1
    """
    settings, store, name = _open(project)
    entry = heads.resolve_head(store, name, head)
    store.pin(name, entry.id)
    console.out.print(f"Pinned {entry.id} ({', '.join(entry.labels)}). {_when(settings, store, name)}")


@app.command("unpin")
def unpin(project: options.Heads = None) -> None:
    """Let the newest head serve again.

    Example: dinolabel models unpin --project 1
    """
    settings, store, name = _open(project)
    was = store.pinned(name)
    store.pin(name, None)
    wanted = store.desired(name)
    console.out.print(
        f"{'Unpinned ' + was if was else 'Nothing was pinned'}; the newest head is {wanted or 'none yet'}. {_when(settings, store, name)}"
    )


@app.command("rollback")
def rollback(
    head: Annotated[str | None, typer.Argument(metavar="[ID]", help="Which one. Default: the one before.")] = None,
    project: options.Heads = None,
) -> None:
    """Go back to the head before the one that is shown, or to a named one, and pin it.

    Example: dinolabel models rollback --project 1
    """
    settings, store, name = _open(project)
    before = heads.resolve_head(store, name, head) if head is not None else _before(store, name)
    store.pin(name, before.id)
    console.out.print(f"Back to {before.id} ({', '.join(before.labels)}), pinned. {_when(settings, store, name)}")
    console.out.print(console.soft("`dinolabel models unpin` lets the newest serve again."))


def _before(store: BundleStore, project: str) -> PublishedBundle:
    entries = store.heads(project)
    serving = store.desired(project)
    at = next((index for index, each in enumerate(entries) if each.id == serving), None)
    if not at:
        gone = " Earlier ones went with somebody who was forgotten." if store.forgotten_ids(project) else ""
        raise RequestError(f"There is no head before this one.{gone}", hint="`dinolabel models list` shows what there is.")
    return entries[at - 1]


def _when(settings: Settings, store: BundleStore, project: str) -> str:
    if store.current(project) == store.desired(project):
        return "It is shown already."
    return f"Label Studio shows it as soon as every task has its boxes (the backend looks every {settings.poll_seconds:g} s)."
