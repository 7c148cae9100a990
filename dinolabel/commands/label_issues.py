"""`dinolabel label-issues`: approved labels that look wrong, most doubtful first, with links and a tab in the Data Manager."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.projects import tabs
from dinolabel.settings import Settings
from dinolabel.studio.calls.tabs import DISAGREEMENTS
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from dinolabel.training.model_selection.label_issues import LabelIssue, LabelIssues

PRINTED = 40


def command(
    project: options.Project = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Folder of `dinolabel export crops`. Default: exports/PROJECT in the data folder.")
    ] = None,
    share: Annotated[float, typer.Option("--share", min=0.0, max=1.0, help="How much of what can be judged to look at, at most.")] = 0.1,
    mark: Annotated[bool, typer.Option("--mark/--no-mark", help="Show them in a tab of the Data Manager, named Label issues.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List approved boxes whose name looks wrong, judged by heads that did not see their pictures.

    Nothing that people made is touched: the tab in the Data Manager only filters. Right names can be among them: look before you change.

    Example: dinolabel label-issues --project 3
    """
    settings = running_settings.settings()
    number = project_option.resolve_number(settings, project)
    settings = factory.with_project_weights(settings, number)
    folder = manifest or factory.data_dir(settings, "exports") / str(number)
    settings = factory.with_chosen_embedder(settings, folder)
    found, disagreed = _ranked(settings, folder), _disagreements(folder)
    studio = factory.studio_if_set(settings)
    chosen = found.top(share)
    tab = other = None
    if mark and studio is not None:
        tab = studio.tabs.show_or_remove(number, tabs.LABEL_ISSUES, [each.task for each in chosen])
        other = studio.tabs.show_or_remove(number, DISAGREEMENTS, disagreed)
    address = f"{studio.url}/projects/{number}/data?task=" if studio is not None else "task "
    if as_json:
        rows = [{**asdict(each), "link": f"{address}{each.task}"} for each in chosen]
        sums = {"judged": len(found.ranked), "unjudged": found.unjudged, "disagreements": len(disagreed)}
        console.out.print_json(json.dumps({"label_issues": rows, "suspects": rows, **sums, "tab": tab, "disagreements_tab": other}))
    else:
        _tell(found, chosen, address, tab)
        _tell_disagreements(disagreed, address, other)


def _ranked(settings: Settings, folder: Path) -> LabelIssues:
    from dinolabel.training.data import features, manifest, samples
    from dinolabel.training.model_selection import label_issues

    read = manifest.read(folder)
    rows = samples.teaching_rows(read, generic_is_unknown=settings.generic_is_unknown)
    with console.progress("Embedding") as listener:
        embedded = features.embed(
            rows, folder=read.folder, policy=read.policy, embedder=factory.embedder(settings), cache=factory.cache(settings),
            listener=listener,
        )  # fmt: skip
    everything, _ = samples.gather(embedded, read)
    return label_issues.find_label_issues(everything, seed=settings.seed)


def _disagreements(folder: Path) -> list[int]:
    """The task of each object that people named differently, which the export left out; [] where it has no report of that."""
    from dinolabel.exporters.formats.crops import SUMMARY

    try:
        report = parse_json((folder / SUMMARY).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    listed = report.get("conflicts") if isinstance(report, dict) else None
    return [int(each["task"]) for each in listed or () if "region" not in each]


def _tell(found: LabelIssues, chosen: Sequence[LabelIssue], address: str, tab: str | None) -> None:
    judged = words.count_noun(len(found.ranked), "approved box", "approved boxes")
    rest = f" {found.unjudged} could not be judged: their name is in one picture only." if found.unjudged else ""
    if not chosen:
        console.out.print(f"No name looks wrong among {judged}.{rest}")
        return
    table = console.table("look at", "named", "looks like", "how sure", right=("how sure",))
    for each in chosen[:PRINTED]:
        table.add_row(f"{address}{each.task}", each.label, each.guess, f"{each.confidence:.2f}")
    console.out.print(table)
    more = f"{len(chosen) - PRINTED} more are in the JSON. " if len(chosen) > PRINTED else ""
    console.out.print(console.soft(f"{more}{words.count_noun(len(chosen), 'name')} of {judged} to look at.{rest}"), soft_wrap=True)
    if tab:
        console.out.print(console.soft(f"All of them in Label Studio: {tab}"), soft_wrap=True)


def _tell_disagreements(tasks: Sequence[int], address: str, tab: str | None) -> None:
    if tasks:
        count = words.count_noun(len(tasks), "object")
        where = tab or words.join_words([f"{address}{each}" for each in list(dict.fromkeys(tasks))[:PRINTED]])
        console.out.print(f"People disagree about {count}, which {'is' if len(tasks) == 1 else 'are'} left out: {where}", soft_wrap=True)
