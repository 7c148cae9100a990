"""What `dinolabel bootstrap` tells: what became of each video, the verdict, the accuracy on the test videos.

Only words and figures; looking, learning and sending are done elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from dinolabel import console, words

if TYPE_CHECKING:
    from exporters.harvest import Harvest
    from training.train import Verdict

HELD_OUT = "held_out"
LEFT_OUT = ("small", "blurred", "copies", "dropped")


def table(harvest: Harvest, out: Path, sheets: Mapping[str, Sequence[Path]]) -> None:
    """A row per video, what went wrong, and where the contact sheets lie."""
    figures = ("frames", "boxes", "kept")
    made = console.table("video", "class", *figures, "left out", right=figures)
    for each in harvest.videos:
        label = escape(each.label) + (" [soft](test)[/]" if each.split == HELD_OUT else "")
        reasons = [f"{count} {reason}" for reason in LEFT_OUT if (count := getattr(each, reason))]
        made.add_row(escape(each.video), label, *(str(getattr(each, figure)) for figure in figures), ", ".join(reasons) or "–")
    console.out.print(made)
    for tally in harvest.videos:
        if tally.note:
            console.err.print(f"[warn]{escape(tally.video)}[/]  {escape(tally.note)}", soft_wrap=True)
    for failure in harvest.failed:
        told = f"[bad]{escape(failure['video'])}[/]  {escape(failure['error'])} [soft]{escape(failure['hint'])}[/]"
        console.err.print(told, soft_wrap=True)
    for path in (path for paths in sheets.values() for path in paths):
        console.out.print(f"[soft]sheet  {escape(str(path))}[/]", soft_wrap=True)
    fix = f"Something wrong on a sheet? `dinolabel drop {escape(str(out))} 12 15-18`, then `dinolabel train` again."
    console.out.print(fix, soft_wrap=True)


def verdict(said: Verdict | None, *, name: str, out: Path, phrases: Sequence[str]) -> None:
    """The verdict, the accuracy on the test videos, and what to do next."""
    from dinolabel.commands.train import tell

    if said is None:
        again = f"dinolabel train --manifest {out} --project {name}"
        console.out.print(f"[soft]Not trained. When the sheets are right: {escape(again)}[/]", soft_wrap=True)
        return
    tell(said)
    if accuracy := tested(said.metrics):
        console.out.print(f"[name]Accuracy on the test videos: {accuracy['accuracy']:.2f}[/]  {_counts(accuracy)}", soft_wrap=True)
    elif said.metrics.get("accuracy") is not None:
        console.out.print(f"No test videos: with each video left out in turn the accuracy is {said.metrics['accuracy']:.2f}.")
    if said.published:
        asked = " ".join(f'--prompt "{phrase}"' for phrase in phrases)
        console.out.print(f"[soft]Name them elsewhere: dinolabel detect PICTURES {escape(asked)} --project {name}[/]", soft_wrap=True)
        console.out.print("[soft]In the browser: dinolabel app[/]")


def tested(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the head did on the videos set apart for testing, None when there were none. An object left unnamed counts as wrong."""
    from training.gate import HELD_OUT as BASIS

    if metrics.get("basis") != BASIS:
        return None
    return {key: metrics[key] for key in ("accuracy", "accuracy_named", "coverage", "objects", "groups")}


def _counts(accuracy: Mapping[str, Any]) -> str:
    right = round(accuracy["accuracy"] * accuracy["objects"])
    unnamed = round((1 - accuracy["coverage"]) * accuracy["objects"])
    return f"({right} of {accuracy['objects']} crops of {words.counted(accuracy['groups'], 'video')} named right, {unnamed} left unnamed)"
