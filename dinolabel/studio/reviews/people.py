"""People who annotate: how much each did, with how many keys, and how far they agree with others who answered the same pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotations import Annotation, Json, annotations_of
from dinolabel.studio.reviews.decisions import labels_by_object
from dinolabel.studio.reviews.edits import FORGOTTEN, annotation_edits

NOBODY = "unknown"
"""Stands for whoever made an annotation that does not say."""


@dataclass(frozen=True, slots=True)
class PersonCounts:
    """who: an e-mail address, or the number Label Studio has for them. boxes: that stand at the end of their answers.

    keys: of the answers whose beginning is known, which end in `keyed` boxes. compared: objects that they or another person on the same
    picture marked, once for each such person; agreed: those that both marked and nobody named differently.
    """

    who: str
    answers: int = 0
    boxes: int = 0
    keys: int = 0
    keyed: int = 0
    agreed: int = 0
    compared: int = 0

    @property
    def keys_per_box(self) -> float | None:
        return self.keys / self.keyed if self.keyed else None

    @property
    def agreement(self) -> float | None:
        """0 to 1; None where nobody else answered the same pictures."""
        return self.agreed / self.compared if self.compared else None


def count_people(answers: Sequence[Annotation], task: Json, config: LabelConfig) -> list[PersonCounts]:
    """Everybody who answered a task. answers: `answers_of` it."""
    return add_people([*(_work(each, task, config) for each in answers), *_comparisons(answers)])


def answers_of(task: Json, config: LabelConfig) -> list[Annotation]:
    """The annotations that people made in the editor, which always says how long it took; not what was skipped or made by a button."""
    timed = {each.get("id") or 0 for each in task.get("annotations") or [] if each.get("lead_time")}
    return [each for each in annotations_of(task, config) if each.id in timed and not (each.cancelled or each.made_by_button)]


def add_people(counts: Iterable[PersonCounts]) -> list[PersonCounts]:
    """One for each person, who did most first."""
    people: dict[str, PersonCounts] = {}
    for each in counts:
        known = people.get(each.who, PersonCounts(each.who))
        sums = {name: getattr(known, name) + getattr(each, name) for name in PersonCounts.__dataclass_fields__ if name != "who"}
        people[each.who] = replace(known, **sums)
    return sorted(people.values(), key=lambda each: (-each.boxes, each.who))


def _work(annotation: Annotation, task: Json, config: LabelConfig) -> PersonCounts:
    done = annotation_edits(annotation, task, config)
    known = done.version != FORGOTTEN
    return PersonCounts(annotation.who or NOBODY, 1, done.boxes, done.keys if known else 0, done.boxes if known else 0)


def _comparisons(answers: Sequence[Annotation]) -> Iterator[PersonCounts]:
    objects = labels_by_object(answers)
    for one, other in combinations(answers, 2):
        names = (one.who or NOBODY, other.who or NOBODY)
        if names[0] == names[1]:
            continue
        either = [each for each in objects if one.id in each or other.id in each]
        both = [(each[one.id], each[other.id]) for each in either if one.id in each and other.id in each]
        agreed = sum(first is None or second is None or first == second for first, second in both)
        yield from (PersonCounts(who, agreed=agreed, compared=len(either)) for who in names)
