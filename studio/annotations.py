"""Label Studio's task and annotation JSON (exports, API, webhooks) as values.

Knows the wire shape; what an annotation decides about each box is studio.tasks'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.label_config import LabelConfig
from studio.results import Region, regions
from studio.unread import Unread

Json = Mapping[str, Any]

ACCEPTED = "accepted by dinolabel"
"""How the note begins that `accept` leaves in each region."""

PARTLY = "imported in part by dinolabel"
"""How the note begins that `import` leaves in a region of a picture of which it could not read everything. What follows says what."""


@dataclass(frozen=True, slots=True)
class Task:
    """data: the task's own keys, such as the picture's address. inner_id: its number within the project, as people see it."""

    id: int
    data: Json = field(hash=False)
    inner_id: int | None = None

    @classmethod
    def of(cls, task: Json) -> Task:
        """From a task's JSON. Raises ValueError when there is no numeric id."""
        identity, data = _id(task.get("id")), task.get("data")
        if identity is None:
            raise ValueError(f"expected a task with a numeric id, got {task.get('id')!r}")
        return cls(identity, data if isinstance(data, Mapping) else {}, _id(task.get("inner_id")))


@dataclass(frozen=True, slots=True)
class Annotation:
    """One person's answer to a task. predicted: the regions they were shown (None: not known), size: of the upright image.

    who: id or e-mail of who completed it. at: ISO time of the last change. made_by_button: nobody looked (design.md §3, unverified).
    """

    id: int
    regions: tuple[Region, ...]
    who: str | None
    at: str
    cancelled: bool
    made_by_button: bool
    model_version: str | None
    predicted: tuple[Region, ...] | None

    @classmethod
    def of(cls, annotation: Json, task: Json, config: LabelConfig) -> Annotation:
        """From an annotation's JSON and its task's. Percent of what was shown means percent of what was saved: predictions may carry
        a wrong original size (EXIF), so the annotation's size overrules the prediction's."""
        result = annotation.get("result") or []
        kept = tuple(regions(result, config))
        prediction = _prediction(annotation, task)
        size = (kept[0].width, kept[0].height) if kept else None
        return cls(
            id=_id(annotation.get("id")) or 0,
            regions=kept,
            who=_who(annotation.get("completed_by")),
            at=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
            cancelled=bool(annotation.get("was_cancelled")),
            made_by_button=by_button(annotation),
            model_version=prediction.get("model_version") if prediction else None,
            predicted=None if prediction is None else tuple(regions(prediction.get("result") or [], config, size=size)),
        )


def annotations_of(task: Json, config: LabelConfig) -> list[Annotation]:
    """All annotations of a task, skipped ones too, by id."""
    found = [Annotation.of(each, task, config) for each in task.get("annotations") or [] if isinstance(each, Mapping)]
    return sorted(found, key=lambda each: each.id)


def from_webhook(payload: Json) -> list[dict[str, Any]]:
    """The tasks of a webhook's payload, each with the annotations it names; `task` and `annotation` come singly or as lists.

    Deleted annotations come without their task, and so give none.
    """
    named = [each for each in _listed(payload.get("annotation")) if isinstance(each, Mapping)]
    tasks = [each for each in _listed(payload.get("task")) + _listed(payload.get("tasks")) if isinstance(each, Mapping)]
    return [{**task, "annotations": [dict(each) for each in named if each.get("task") == task.get("id")]} for task in tasks]


def _prediction(annotation: Json, task: Json) -> Json | None:
    """The prediction an annotation began from. Exports inline one; the API and webhooks give its id, and an empty dict for it.

    What is inlined is the prediction that was on show at the submit: after a switch it may not be the one the person began from.
    """
    inline, parent = annotation.get("prediction"), _id(annotation.get("parent_prediction"))
    if isinstance(inline, Mapping) and isinstance(inline.get("result"), list) and parent in (None, _id(inline.get("id"))):
        return inline
    identity = parent or _id(inline)
    listed: Iterable[Any] = task.get("predictions") or []
    return next((each for each in listed if isinstance(each, Mapping) and identity is not None and each.get("id") == identity), None)


def by_button(annotation: Json) -> bool:
    """*Create annotations from predictions*, or our own `accept`: no region has an origin, and no time was spent.

    Label Studio notes the parent prediction, and forgets it when that is deleted; our mark in the regions stays.
    """
    result = [each for each in annotation.get("result") or [] if isinstance(each, Mapping)]
    if any(each.get("origin") for each in result) or annotation.get("lead_time") is not None:
        return False
    return annotation.get("parent_prediction") is not None or (bool(result) and all(map(accepted, result)))


def accepted(region: Json) -> bool:
    """Whether a region bears the mark of our `accept`."""
    return _note(region, ACCEPTED) is not None


def imported_in_part(annotation: Json) -> tuple[Unread, ...]:
    """What `import` says that it could not read of this picture; nothing once a person, who saw it, submitted it in the editor."""
    if annotation.get("lead_time") is not None:
        return ()
    noted = [(each, _note(each, PARTLY)) for each in annotation.get("result") or [] if isinstance(each, Mapping)]
    return tuple(Unread(str(each.get("id")), "imported in part", note) for each, note in noted if note is not None)


def _note(region: Json, start: str) -> str | None:
    """The first of a region's notes that begins so; notes are what a person reads beside it."""
    meta = region.get("meta")
    text = meta.get("text") if isinstance(meta, Mapping) else None
    texts = text if isinstance(text, list) else [text]
    return next((str(each) for each in texts if str(each).startswith(start)), None)


def _who(completed_by: Any) -> str | None:
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
