"""`dinolabel heads`: which a project has, what they are worth, which one Label Studio shows; pin, go back, approve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.models.select import resolve_head
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from rich.text import Text

    from dinolabel.vision.bundles.bundle import Bundle
    from dinolabel.vision.bundles.registry import BundleStore, PublishedBundle

HELP = "What was learnt: list, show, diff, pin, unpin, rollback, approve, policy.\n\nExample: dinolabel heads list --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)
HeadId = Annotated[str, typer.Argument(metavar="ID", help="As `heads list` shows it; its first characters are enough.")]


class ApprovalPolicy(StrEnum):
    """auto: what passes the gate is shown. manual: it waits for `heads approve`."""

    AUTO = "auto"
    MANUAL = "manual"

    @property
    def stored(self) -> str:
        """As projects.json has had it since 0.1."""
        return "ask" if self is ApprovalPolicy.MANUAL else "auto"


Describe = Annotated[bool | None, typer.Option("--describe/--no-describe", help="Tell the gate's verdicts in the project's description.")]


def _open(project: str | None) -> tuple[Settings, BundleStore, str]:
    settings = running_settings.settings()
    return settings, factory.store(settings), project_option.resolve_name(settings, project)


@app.command("list")
def list_heads(project: options.Heads = None) -> None:
    """Every head of the project, newest first, and what became of the last trainings.

    Example: dinolabel heads list --project 1
    """
    _, store, name = _open(project)
    entries = store.history(name)
    if not entries:
        console.out.print("No head yet: boxes keep their generic labels.")
        console.out.print(console.soft("Approve some boxes with names, then press Start training or run `dinolabel train`."))
    else:
        console.out.print(_table(store, name))
    for verdict in store.verdicts(name)[-3:]:
        console.out.print(console.soft(verdict.get("at", "")), console.line(" ", _verdict_line(verdict)))


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


def _verdict_line(verdict: Mapping[str, Any]) -> Text:
    word = console.ok("published") if verdict.get("published") else console.warn("not published")
    reason = str(verdict.get("reason", ""))
    return console.line(word, f"  {reason}" if reason else "")


@app.command("show")
def show(head: HeadId, project: options.Heads = None) -> None:
    """What one head knows, what it was trained on, and how it measured.

    Example: dinolabel heads show 9f8e7d --project 1
    """
    _, store, name = _open(project)
    entry = resolve_head(store, name, head)
    bundle = store.get(name, entry.id)
    console.out.print(console.name(f"head {entry.id}"))
    receipt = store.folder(name, entry.id) / "receipt.json"
    console.out.print(console.rows([*_facts(bundle), *_measured(bundle.metrics), ("receipt", str(receipt))]))


def _facts(bundle: Bundle) -> list[tuple[str, str]]:
    from dinolabel.models import diff as head_diff

    counts = words.join_words([f"{label} {count}" for label, count in bundle.trained_on.items()])
    policy = bundle.policy
    return [
        ("names", ", ".join(bundle.labels)),
        ("trained on", f"{counts} (approved up to {bundle.trained_until})"),
        ("made", bundle.created_at),
        ("kind", f"{bundle.head_name} head over {bundle.embedder_name} ({bundle.embedder_digest[:12]})"),
        ("looks at", head_diff.looks_at(bundle)),
        ("accepts", f"confidence of {bundle.accept_threshold:.2f} or more, distance of {bundle.distance_threshold:.2f} or less"),
        ("crops", f"margin {policy.margin:g}, at most {policy.max_side} px, none under {policy.min_side} px"),
    ]


def _measured(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the gate measured, on groups the judged head had not seen; each figure with its interval where it has one."""
    from dinolabel.vision.bundles.figures import measured_rows, unknown_kept

    yield from ((figure, value) for figure, (value,) in measured_rows(metrics))
    if metrics.get("unknown"):
        yield "unknown objects left unnamed", unknown_kept(metrics)
    if metrics.get("objects"):
        basis = metrics.get("basis", "held out")
        yield (
            "measured on",
            f"{words.count_noun(metrics['objects'], 'object')} of {words.count_noun(metrics.get('groups', 0), 'group')}, {basis}",
        )


@app.command("diff")
def diff(before: HeadId, after: HeadId, project: options.Heads = None) -> None:
    """What changed from one head to another: in what they learnt from, in how they answer, in what they measured.

    Example: dinolabel heads diff 1a2b3c 9f8e7d --project 1
    """
    from dinolabel.models import diff as head_diff

    _, store, name = _open(project)
    ids = [resolve_head(store, name, each).id for each in (before, after)]
    one, other = (store.get(name, each) for each in ids)
    parts = (head_diff.data(one, other), head_diff.making(one, other), head_diff.figures(one.metrics, other.metrics))
    for title, lines in zip(("learnt from", "answers by", "measured, each on its own held-out pictures"), parts, strict=True):
        table = console.table(title, *ids)
        rows = list(lines)
        for row in rows:
            table.add_row(*row)
        if rows:
            console.out.print(table)
            console.out.print()
    receipt = parse_json((store.folder(name, ids[1]) / "receipt.json").read_text(encoding="utf-8"))
    same = head_diff.on_the_same(receipt, ids[0])
    console.out.print(f"On the same held-out pictures: {same}." if same else console.soft("They were not compared on the same pictures."))


@app.command("pin")
def pin(head: HeadId, project: options.Heads = None) -> None:
    """Keep this head, whatever is trained: new heads are proposed and not shown.

    Example: dinolabel heads pin 9f8e7d --project 1
    """
    settings, store, name = _open(project)
    entry = resolve_head(store, name, head)
    store.pin(name, entry.id)
    console.out.print(f"Pinned {entry.id} ({', '.join(entry.labels)}). {_when(settings, store, name)}")


@app.command("unpin")
def unpin(project: options.Heads = None) -> None:
    """Let the newest head serve again.

    Example: dinolabel heads unpin --project 1
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

    Example: dinolabel heads rollback --project 1
    """
    settings, store, name = _open(project)
    before = resolve_head(store, name, head) if head is not None else _before(store, name)
    store.pin(name, before.id)
    console.out.print(f"Back to {before.id} ({', '.join(before.labels)}), pinned. {_when(settings, store, name)}")
    console.out.print(console.soft("`dinolabel heads unpin` lets the newest serve again."))


def _before(store: BundleStore, project: str) -> PublishedBundle:
    entries = store.heads(project)
    serving = store.desired(project)
    at = next((index for index, each in enumerate(entries) if each.id == serving), None)
    if not at:
        gone = " Earlier ones went with somebody who was forgotten." if store.forgotten_ids(project) else ""
        raise RequestError(f"There is no head before this one.{gone}", hint="`dinolabel heads list` shows what there is.")
    return entries[at - 1]


def _when(settings: Settings, store: BundleStore, project: str) -> str:
    if store.current(project) == store.desired(project):
        return "It is shown already."
    return f"Label Studio shows it as soon as every task has its boxes (the backend looks every {settings.poll_seconds:g} s)."


@app.command("approve")
def approve(project: options.Project = None) -> None:
    """Show the newest head that passed the gate, where people are asked first.

    Example: dinolabel heads approve --project 1
    """
    from dinolabel.backend import desired_version

    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    waiting = desired_version.awaiting_approval(project_option.attached(settings, number), factory.store(settings))
    if waiting is None:
        console.out.print("No head waits for a yes.", console.soft("`dinolabel heads list` shows what there is."))
        return
    factory.projects(settings).update(number, agreed=waiting)
    console.out.print(console.ok("Agreed"), f"to {waiting}: it is shown as soon as every task has its boxes.")


@app.command("policy")
def policy(
    mode: Annotated[ApprovalPolicy | None, typer.Argument(help="Show what passes the gate, or let it wait for `heads approve`.")] = None,
    project: options.Project = None,
    describe: Describe = None,
) -> None:
    """Choose whether new heads are shown by themselves, and where the gate's verdicts are told; without either, say what is chosen.

    Example: dinolabel heads policy manual --project 1
    """
    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    entry = project_option.attached(settings, number)
    changes: dict[str, object] = {} if describe is None else {"describe": describe}
    if mode is not None:  # what is shown stays shown
        manual = mode is ApprovalPolicy.MANUAL
        changes |= {"publish": mode.stored, "agreed": factory.store(settings).current(str(number)) if manual else None}
    changed = factory.projects(settings).update(number, **changes) if changes else entry
    told = "in its description" if changed.describe else "on the backend's page"
    chosen = next(each for each in ApprovalPolicy if each.stored == changed.publish)
    console.out.print(f"Project {number}: policy = {chosen}; verdicts are told {told}.")


def publish(
    project: options.Project = None,
    mode: Annotated[str | None, typer.Option(help="auto or ask.")] = None,
    describe: Describe = None,
) -> None:
    """Both of them, as one command had it until 0.2."""
    if mode is None and describe is None:
        approve(project)
    else:
        policy(_policy_of(mode), project, describe)


def _policy_of(mode: str | None) -> ApprovalPolicy | None:
    found = next((each for each in ApprovalPolicy if mode in (each.stored, each.value)), None)
    if mode is not None and found is None:
        raise RequestError(f"{mode!r} is no policy.", hint="It is auto or ask.")
    return found
