"""Malformed tasks: those whose JSON cannot be read fail by name, and the others go on; every reader of tasks begins here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dinolabel.studio.reviews.task_json import find_fault, number_of

HINT = "Export the project again as JSON; a file that was edited by hand may be damaged there."

TWICE = "Exports of several projects have the same numbers: export each file into a folder of its own."


def readable_tasks(tasks: Iterable[Any], failed: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The tasks that can be read, in their order. failed: gets an entry for each other one, like a picture's that cannot be had."""
    seen: set[int | None] = set()
    for place, task in enumerate(tasks, 1):
        why, number = find_fault(task), number_of(task)
        if why is None and number not in seen:
            seen.add(number)
            yield task
        elif why is None:
            failed.append({**_entry(place, {**task, "id": None}, f"an earlier one has its number, {number}"), "hint": TWICE})
        else:
            failed.append(_entry(place, task, why))


def _entry(place: int, task: Any, why: str) -> dict[str, Any]:
    """task: None where it has no number; then its place in the export names it."""
    where = "" if number_of(task) is not None else f" (number {place} of the export)"
    told = f"The task cannot be read: {why}{where}."
    return {"task": number_of(task), "error": "TaskUnreadable", "why": told, "hint": HINT, "boxes": _boxes(task)}


def _boxes(task: Any) -> int:
    """Regions that are lost with it, as far as they can be counted."""
    annotations = task.get("annotations") if isinstance(task, Mapping) else None
    results = [each.get("result") for each in annotations if isinstance(each, Mapping)] if isinstance(annotations, list) else []
    return sum(len(each) for each in results if isinstance(each, list))
