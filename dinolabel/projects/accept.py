"""Turns confident predictions into annotations, marked so that they are told from a person's work, and takes them back.

Such an annotation is unverified: it has a parent prediction, no origin and no lead time, as those of Label Studio's own button, so it is
exported on demand and never taught.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.regions.notes import read_notes, write_notes
from dinolabel.studio.reviews.annotations import ACCEPTED, is_auto_accepted, is_made_by_button

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, TaskRow

MARK = ACCEPTED
FORMAT = 1
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AutoAccepted:
    """One annotation of ours, as the journal has it."""

    task: int
    annotation: int


def candidates(rows: Sequence[TaskRow], version: str) -> list[int]:
    """Tasks nobody has submitted or skipped, with a prediction of the version."""
    return [each.id for each in rows if not each.annotated and not each.cancelled and version in each.versions]


def acceptable_prediction(task: Json, version: str, above: float) -> Json | None:
    """The prediction to accept: every region scores ``above`` or more, there is one at least, and no person has begun the task."""
    if task.get("annotations") or task.get("drafts"):
        return None
    found = [each for each in task.get("predictions") or () if each.get("model_version") == version]
    if not found or not found[-1].get("result"):
        return None
    sure = all(float(each.get("score") or 0.0) >= above for each in found[-1]["result"])
    return found[-1] if sure else None


def mark_regions(result: Sequence[Json], above: float, version: str) -> list[dict[str, Any]]:
    """The regions as they are accepted: each says so, with what it was accepted for."""
    mark = f"{MARK}: {version} ≥ {above:g}"
    return [
        {name: value for name, value in each.items() if name != "origin"} | {"meta": {"text": write_notes([*read_notes(each), mark])}}
        for each in result
    ]


def is_ours(annotation: Json) -> bool:
    """Whether an annotation is one of ours that no person has changed since."""
    result = annotation.get("result") or []
    return bool(result) and is_made_by_button(annotation) and all(map(is_auto_accepted, result))


def accept(studio: LabelStudio, tasks: Sequence[int], version: str, above: float, journal: Path) -> Iterator[AutoAccepted | None]:
    """One for each task, in order; None for those that were left. Safe to stop and to run again: what is annotated is left."""
    for task in tasks:
        try:
            yield _accept_task(studio, task, version, above, journal)
        except StudioRefused as error:
            if error.status != 404:  # deleted meanwhile
                raise
            yield None


def undo(studio: LabelStudio, tasks: Sequence[Json]) -> Iterator[AutoAccepted]:
    """Delete what we accepted and nobody has touched since. tasks: the project's export."""
    for task in tasks:
        for annotation in task.get("annotations") or ():
            if is_ours(annotation):
                studio.annotations.delete(int(annotation["id"]))
                yield AutoAccepted(int(task["id"]), int(annotation["id"]))


def _accept_task(studio: LabelStudio, task: int, version: str, above: float, journal: Path) -> AutoAccepted | None:
    prediction = acceptable_prediction(studio.tasks.get(task), version, above)
    if prediction is None:
        return None
    result = mark_regions(prediction["result"], above, version)
    made = studio.annotations.create(task, result, lead_time=None, parent_prediction=int(prediction["id"]))
    done = AutoAccepted(task, int(made["id"]))
    if len(studio.tasks.get(task).get("annotations") or ()) > 1:  # a person submitted in the same moment, and theirs counts
        studio.annotations.delete(done.annotation)
        return None
    _note(journal, {"format": FORMAT, "task": task, "annotation": done.annotation, "version": version, "above": above})
    return done


def _note(journal: Path, line: Json) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
