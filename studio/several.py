"""Several annotators on one task: whose word counts, by a policy that a person chooses.

Knows annotations of one task; nothing of files or formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from studio.annotations import Annotation, Json, annotations_of
from studio.label_config import LabelConfig
from studio.tasks import Review, review

Annotators = Literal["agreed", "latest", "majority", "all"]
"""agreed: an object counts once, those that people name differently are left out. latest: the newest annotation alone.
majority: objects that more than half drew, under their most frequent label. all: every annotation by itself."""

POLICIES: tuple[Annotators, ...] = get_args(Annotators)


def reviewed(task: Json, config: LabelConfig, *, annotators: Annotators = "agreed", generic_is_unknown: bool = False) -> Review:
    """Like studio.tasks.review, by one of the policies. Annotations made by a button stay beside the person's: they are unverified."""
    if annotators == "latest":
        return review(_only_latest(task, config), config, generic_is_unknown=generic_is_unknown)
    if annotators == "all":
        each = [review(_only(task, {one.id}), config, generic_is_unknown=generic_is_unknown) for one in annotations_of(task, config)]
        return Review(
            tuple(judged for one in each for judged in one.judged),
            tuple(conflict for one in each for conflict in one.conflicts),
            sum(one.skipped for one in each),
        )
    return review(task, config, generic_is_unknown=generic_is_unknown, majority=annotators == "majority")


def decided(task: Json, config: LabelConfig, *, unverified: bool = False) -> bool:
    """Whether somebody answered this task, so that a picture without boxes means "nothing here" and not "nobody looked"."""
    return any(not each.cancelled and (unverified or not each.made_by_button) for each in annotations_of(task, config))


def _only_latest(task: Json, config: LabelConfig) -> Mapping[str, Any]:
    every = annotations_of(task, config)
    people = [each for each in every if not each.cancelled and not each.made_by_button]
    newest = max(people, key=_age, default=None)
    return _only(task, {each.id for each in every if each not in people} | ({newest.id} if newest else set()))


def _age(annotation: Annotation) -> tuple[str, int]:
    return annotation.at, annotation.id


def _only(task: Json, ids: set[int]) -> Mapping[str, Any]:
    kept = [each for each in task.get("annotations") or [] if isinstance(each, Mapping) and (each.get("id") or 0) in ids]
    return {**task, "annotations": kept}
