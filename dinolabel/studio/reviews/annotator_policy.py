"""Several annotators on one task: whose word counts, by a policy that a person chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotations import Annotation, Json, annotations_of
from dinolabel.studio.reviews.decisions import Review, review_task

Annotators = Literal["agreed", "latest", "majority", "all"]
"""agreed: an object counts once, those that people name differently are left out. latest: the newest annotation alone.
majority: objects that more than half drew, under their most frequent label. all: every annotation by itself."""

POLICIES: tuple[Annotators, ...] = get_args(Annotators)


def review_by_policy(task: Json, config: LabelConfig, *, annotators: Annotators = "agreed", generic_is_unknown: bool = False) -> Review:
    """Like dinolabel.studio.reviews.decisions.review_task, by one of the policies. Annotations made by a button stay beside the
    person's: they are
    unverified."""
    if annotators in ("agreed", "majority"):
        return review_task(task, config, generic_is_unknown=generic_is_unknown, majority=annotators == "majority")
    every = annotations_of(task, config)
    live = [each for each in every if not each.cancelled]
    if annotators == "latest":
        return review_task(_only_latest(task, every), config, generic_is_unknown=generic_is_unknown, beside=live)
    found = [review_task(_only(task, {one.id}), config, generic_is_unknown=generic_is_unknown, beside=live) for one in every]
    return _joined(found)


def _joined(found: Sequence[Review]) -> Review:
    """Annotations that each count by themselves: of one picture all the same, so that one undecided leaves no rejected box of another."""
    whole = Review(
        boxes=tuple(judged for one in found for judged in one.boxes),
        conflicts=tuple(conflict for one in found for conflict in one.conflicts),
        skipped=sum(one.skipped for one in found),
        unread=tuple(mark for one in found for mark in one.unread),
        answers=sum(one.answers for one in found),
        unverified=sum(one.unverified for one in found),
    )
    if whole.state() != "undecided":
        return whole
    return replace(whole, boxes=tuple(each for each in whole.boxes if each.verdict != "rejected"))


def _only_latest(task: Json, every: Sequence[Annotation]) -> Mapping[str, Any]:
    people = [each for each in every if not each.cancelled and not each.made_by_button]
    newest = max(people, key=_age, default=None)
    return _only(task, {each.id for each in every if each not in people} | ({newest.id} if newest else set()))


def _age(annotation: Annotation) -> tuple[str, int]:
    return annotation.at, annotation.id


def _only(task: Json, ids: set[int]) -> Mapping[str, Any]:
    kept = [each for each in task.get("annotations") or [] if isinstance(each, Mapping) and (each.get("id") or 0) in ids]
    return {**task, "annotations": kept}
