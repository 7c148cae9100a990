"""What `dinolabel bootstrap` tells: what became of each video, the verdict, the accuracy on the test videos.

Only words and figures; looking, learning and sending are done elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinolabel.cli import console, words

if TYPE_CHECKING:
    from dinolabel.exporters.video_crops.extract import ExtractionResult
    from dinolabel.training.train import TrainingResult

HELD_OUT = "held_out"
LEFT_OUT = ("small", "blurred", "copies", "dropped")


def table(harvest: ExtractionResult, out: Path, sheets: Mapping[str, Sequence[Path]]) -> None:
    """A row per video, what went wrong, and where the contact sheets lie."""
    figures = ("frames", "boxes", "kept")
    made = console.table("video", "class", *figures, "left out", right=figures)
    for each in harvest.videos:
        label = console.line(each.label, console.soft(" (test)" if each.split == HELD_OUT else ""))
        reasons = [f"{count} {reason}" for reason in LEFT_OUT if (count := getattr(each, reason))]
        made.add_row(each.video, label, *(str(getattr(each, figure)) for figure in figures), ", ".join(reasons) or "–")
    console.out.print(made)
    for tally in harvest.videos:
        if tally.note:
            console.err.print(console.warn(tally.video), f" {tally.note}", soft_wrap=True)
    for failure in harvest.failed:
        told = console.line(console.bad(failure["video"]), f"  {failure['error']} ", console.soft(failure["hint"]))
        console.err.print(told, soft_wrap=True)
    for path in (path for paths in sheets.values() for path in paths):
        console.out.print(console.soft(f"sheet  {path}"), soft_wrap=True)
    fix = f"Something wrong on a sheet? `dinolabel exclude-crops {out} 12 15-18`, then `dinolabel train` again."
    console.out.print(fix, soft_wrap=True)


def verdict(said: TrainingResult | None, *, name: str, out: Path, phrases: Sequence[str]) -> None:
    """The verdict, the accuracy on the test videos, and what to do next."""
    from dinolabel.commands.train import tell

    if said is None:
        again = f"dinolabel train --manifest {out} --project {name}"
        console.out.print(console.soft(f"Not trained. When the sheets are right: {again}"), soft_wrap=True)
        return
    tell(said)
    if accuracy := test_accuracy(said.metrics):
        console.out.print(console.name(f"Accuracy on the test videos: {accuracy['accuracy']:.2f}"), f" {_counts(accuracy)}", soft_wrap=True)
    elif said.metrics.get("accuracy") is not None:
        console.out.print(f"No test videos: with each video left out in turn the accuracy is {said.metrics['accuracy']:.2f}.")
    if said.published:
        asked = " ".join(f'--prompt "{phrase}"' for phrase in phrases)
        console.out.print(console.soft(f"Name them elsewhere: dinolabel detect PICTURES {asked} --project {name}"), soft_wrap=True)
        console.out.print(console.soft("In the browser: dinolabel app"))


def test_accuracy(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the head did on the videos set apart for testing, None when there were none. An object left unnamed counts as wrong."""
    from dinolabel.training.evaluation.promotion_gate import HELD_OUT as BASIS

    if metrics.get("basis") != BASIS:
        return None
    return {key: metrics[key] for key in ("accuracy", "accuracy_named", "coverage", "objects", "groups")}


def _counts(accuracy: Mapping[str, Any]) -> str:
    right = round(accuracy["accuracy"] * accuracy["objects"])
    unnamed = round((1 - accuracy["coverage"]) * accuracy["objects"])
    return (
        f"({right} of {accuracy['objects']} crops of {words.count_noun(accuracy['groups'], 'video')} named right, {unnamed} left unnamed)"
    )
