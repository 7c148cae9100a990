"""Whether the JSON of a task can be read at all: what is looked at before anybody asks what people decided in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number_of(task: Any) -> int | None:
    """The task's number in Label Studio; None when it has none."""
    found = task.get("id") if isinstance(task, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def find_fault(task: Any) -> str | None:
    """What keeps a task from being read, as the end of a sentence; None when nothing does."""
    if not isinstance(task, Mapping):
        return "it is no object"
    if number_of(task) is None:
        return "its `id` is no number"
    if not isinstance(task.get("data"), Mapping):
        return "its `data` is no object"
    if not isinstance(task.get("predictions") or [], list):
        return "its `predictions` are no list"
    if not isinstance(task.get("annotations"), list):
        return "its `annotations` are no list"
    return next(filter(None, map(_fault, task["annotations"])), None)


def _fault(annotation: Any) -> str | None:
    if not isinstance(annotation, Mapping):
        return "one of its annotations is no object"
    if not isinstance(annotation.get("result") or [], list):
        return f"the `result` of its annotation {annotation.get('id')} is no list"
    return None
