"""Label Studio's task and annotation JSON (exports, API, webhooks) as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.notes import find_note, write_notes
from dinolabel.studio.regions.reading import read, regions, size_of
from dinolabel.studio.regions.region import Region
from dinolabel.studio.regions.shapes import kind_of, number
from dinolabel.studio.regions.unread import Unread

Json = Mapping[str, Any]

ACCEPTED = "accepted by dinolabel"
"""How the note begins that `accept` leaves in each region."""

UNVERIFIED = "unverified: made by a button"
"""How the note begins that an export leaves in each region that nobody looked at: what else tells it may be lost on the way."""

PARTLY = "imported in part by dinolabel"
"""How the note begins that `import` leaves in a region of a picture of which it could not read everything. What follows says what."""

GROUPED = "named by group"
"""How the note begins that the wall leaves in each region: its name is a person's answer, its picture nobody looked at."""

FORGOTTEN = "dinolabel_forgotten"
"""Key of an annotation as we read it: how many of its regions were taken out since somebody is forgotten. Label Studio never has it."""


@dataclass(frozen=True, slots=True)
class Task:
    """data: the task's own keys, such as the picture's address."""

    id: int
    data: Json = field(hash=False)

    @classmethod
    def of(cls, task: Json) -> Task:
        """From a task's JSON. Raises ValueError when there is no numeric id."""
        identity, data = _id(task.get("id")), task.get("data")
        if identity is None:
            raise ValueError(f"expected a task with a numeric id, got {task.get('id')!r}")
        return cls(identity, data if isinstance(data, Mapping) else {})


@dataclass(frozen=True, slots=True)
class Annotation:
    """One person's answer to a task. predicted: the regions they were shown (None: not known).

    who: id or e-mail of who completed it. at: ISO time of the last change. made_by_button: nobody looked (design.md §3, unverified).
    entries: what each of the regions was read from. unread: what marks a place in the picture and is none of the regions, or is known to
    be missing. others: those marks as they are stored. names: of unread regions with several names, by id.
    """

    id: int
    regions: tuple[Region, ...]
    who: str | None
    at: str
    cancelled: bool
    made_by_button: bool
    model_version: str | None
    predicted: tuple[Region, ...] | None
    entries: tuple[Json, ...] = ()
    unread: tuple[Unread, ...] = ()
    others: tuple[Json, ...] = ()
    names: Json = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, annotation: Json, task: Json, config: LabelConfig, *, size: tuple[int, int] | None = None) -> Annotation:
        """From an annotation's JSON and its task's. Percent of what was shown means percent of what was saved: predictions may carry
        a wrong original size (EXIF), so the annotation's size overrules the prediction's. size: of the picture, where neither says it."""
        result = annotation.get("result")
        reading = read(result, config, size=None if size_of(result) else size)
        prediction = _prediction(annotation, task)
        shown = (reading.boxes[0][0].width, reading.boxes[0][0].height) if reading.boxes else size_of(result) or size
        return cls(
            id=_id(annotation.get("id")) or 0,
            regions=tuple(region for region, _ in reading.boxes),
            who=_who(annotation.get("completed_by")),
            at=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
            cancelled=bool(annotation.get("was_cancelled")),
            made_by_button=is_made_by_button(annotation, task),
            model_version=prediction.get("model_version") if prediction else None,
            predicted=None if prediction is None else tuple(regions(prediction.get("result"), config, size=shown)),
            entries=tuple(entry for _, entry in reading.boxes),
            unread=(*reading.unread, *imported_in_part(annotation), *_not_looked_at(annotation), *_forgotten(annotation)),
            others=reading.others,
            names=reading.names or {},
        )


def annotations_of(task: Json, config: LabelConfig) -> list[Annotation]:
    """All annotations of a task, skipped ones too, by id."""
    listed = [each for each in task.get("annotations") or [] if isinstance(each, Mapping)]
    size = next(filter(None, (size_of(each.get("result")) for each in listed)), None)
    found = [Annotation.of(each, task, config, size=size) for each in listed]
    return sorted(found, key=lambda each: each.id)


def from_webhook(payload: Json) -> list[dict[str, Any]]:
    """The tasks of a webhook's payload, each with the annotations it names; `task` and `annotation` come singly or as lists.

    Deleted annotations come without their task, and so give none.
    """
    named = [each for each in _as_list(payload.get("annotation")) if isinstance(each, Mapping)]
    tasks = [each for each in _as_list(payload.get("task")) + _as_list(payload.get("tasks")) if isinstance(each, Mapping)]
    return [{**task, "annotations": [dict(each) for each in named if each.get("task") == task.get("id")]} for task in tasks]


def _prediction(annotation: Json, task: Json) -> Json | None:
    """The prediction an annotation began from. Exports inline one; the API and webhooks give its id, and an empty dict for it.

    What is inlined is the prediction that was on show at the submit: after a switch it may not be the one the person began from.
    """
    inline, parent = annotation.get("prediction"), _id(annotation.get("parent_prediction"))
    if isinstance(inline, Mapping) and isinstance(inline.get("result"), list) and parent in (None, _id(inline.get("id"))):
        return inline
    identity = parent or _id(inline)
    predictions = task.get("predictions")
    listed: Iterable[Any] = predictions if isinstance(predictions, list) else []
    return next((each for each in listed if isinstance(each, Mapping) and identity is not None and each.get("id") == identity), None)


def is_made_by_button(annotation: Json, task: Json | None = None) -> bool:
    """Whether nobody drew or looked: *Create annotations from predictions*, our own `accept`, or such a one that was exported and imported.

    No time was spent, no region has an origin, and one of these tells: the parent prediction (Label Studio forgets it when duplicates are
    removed, when the version is deleted, and with every import of an export), a score in every region, our mark in every region. Of an
    annotation without regions only the parent tells, or that a prediction of its task (None: not known) is as empty: what `import` makes
    of an empty picture has a time, of no seconds.
    """
    listed = annotation.get("result")
    result = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    if any(each.get("origin") for each in result) or annotation.get("lead_time") is not None:
        return False
    if annotation.get("parent_prediction") is not None or (task is not None and _marked_as_unverified(annotation, task)):
        return True
    places = {str(each.get("id")) for each in result if kind_of(each)}
    if places:
        told = (each for each in result if number(each.get("score")) is not None or is_auto_accepted(each) or unverified(each))
        return places <= {str(each.get("id")) for each in told}
    return task is not None and any(_is_empty(each) for each in task.get("predictions") or [])


def unverified(region: Json) -> bool:
    """Whether a region bears the mark of an export that took what nobody looked at."""
    return find_note(region, UNVERIFIED) is not None


def _marked_as_unverified(annotation: Json, task: Json) -> bool:
    """Whether an export noted it of this task: an annotation without regions can bear no mark itself."""
    meta = task.get("meta")
    ours = meta.get("dinolabel") if isinstance(meta, Mapping) else None
    return not annotation.get("result") and isinstance(ours, Mapping) and ours.get("unverified") is True


def _is_empty(prediction: Any) -> bool:
    result = prediction.get("result") if isinstance(prediction, Mapping) else None
    return isinstance(result, list) and not any(isinstance(each, Mapping) and kind_of(each) for each in result)


def is_auto_accepted(region: Json) -> bool:
    """Whether a region bears the mark of our `accept`."""
    return find_note(region, ACCEPTED) is not None


def imported_in_part(annotation: Json) -> tuple[Unread, ...]:
    """What `import` says that it could not read of this picture; nothing once a person, who saw it, submitted it in the editor."""
    if annotation.get("lead_time") is not None:
        return ()
    noted = [(each, find_note(each, PARTLY)) for each in annotation.get("result") or [] if isinstance(each, Mapping)]
    return tuple(Unread(str(each.get("id")), "imported in part", note) for each, note in noted if note is not None)


def is_named_by_group(annotation: Json) -> bool:
    """Whether an annotation, or a draft, is the wall's own, which no person has submitted in the editor since."""
    listed = annotation.get("result")
    result = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return bool(result) and annotation.get("lead_time") is None and all(find_note(each, GROUPED) is not None for each in result)


def _not_looked_at(annotation: Json) -> tuple[Unread, ...]:
    """The rest of a picture whose boxes were named on the wall: nobody may say that nothing else is there."""
    why = "its boxes were named on the wall; nobody looked at the whole picture"
    return (Unread("", "named by group", why),) if is_named_by_group(annotation) else ()


def _forgotten(annotation: Json) -> tuple[Unread, ...]:
    """The places of people who are forgotten: nobody may say that nothing is there."""
    return (Unread("", "forgotten", "a box of somebody who is forgotten"),) * int(annotation.get(FORGOTTEN) or 0)


def unseen(region: Json, score: float | None = None) -> dict[str, Any]:
    """The region as one that nobody looked at, whoever sends it: without an origin, with a score and a mark."""
    meta = region.get("meta") if isinstance(region.get("meta"), Mapping) else {}
    text = (meta or {}).get("text")
    texts = list(text) if isinstance(text, list) else [text] if text else []
    marked = {
        **region,
        "meta": {**(meta or {}), "text": texts if is_auto_accepted(region) or unverified(region) else [*texts, *write_notes([UNVERIFIED])]},
    }
    marked.pop("origin", None)
    known = region.get("score") if score is None else score
    return {**marked, "score": 0.0 if known is None else known}


def _who(completed_by: Any) -> str | None:
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
