"""What an export counts: boxes by what people decided, pictures, and everything that was left out, by name.

Knows decisions; nothing of pixels, formats or where they are printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.wish import Wish
from studio.label_config import LabelConfig
from studio.several import decided, reviewed
from studio.tasks import Judged, Review

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """Counts of decided boxes (not of rows: an object may have two views), and what was left out.

    approved: of each learnt label. images: pictures with a decided box. negatives: pictures that people left without any. skipped:
    cancelled annotations. failed: pictures that could not be opened, with the boxes that cost. outside: boxes with less than a pixel
    inside their picture. sides: pictures by side of the split. rows: what was written, in the format's own unit. sideways:
    pictures beside whose boxes the size before their turn was written; the boxes are taken as upright.
    """

    approved: Mapping[str, int]
    generic: int
    unknown: int
    unlabelled: int
    rejected: int
    unverified: int
    skipped: int
    images: int
    conflicts: tuple[Mapping[str, Any], ...] = ()
    rows: int = 0
    outside: int = 0
    failed: tuple[Mapping[str, Any], ...] = ()
    negatives: int = 0
    sides: Mapping[str, int] = field(default_factory=dict)
    sideways: int = 0


@dataclass
class Tally:
    """Counts task by task, so that no more than one of them is in memory."""

    learnt: tuple[str, ...]
    named: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    images: int = 0
    negatives: int = 0
    conflicts: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, review: Review, *, negative: bool) -> None:
        """One task's review. negative: somebody answered it, and there is nothing in it."""
        for each in review.judged:
            self.kinds[each.kind if each.verdict == "approved" else each.verdict] += 1
            if each.verdict == "approved" and each.kind == "named" and each.label:
                self.named[each.label] += 1
        self.skipped += review.skipped
        self.images += bool(review.judged)
        self.negatives += negative
        self.conflicts += [{"task": each.task, "annotations": each.annotations, "labels": each.labels} for each in review.conflicts]

    def report(self, **more: Any) -> Report:
        """more: fields that are only known after writing."""
        return Report(
            approved={label: self.named[label] for label in self.learnt},
            generic=self.kinds["generic"],
            unknown=self.kinds["unknown"],
            unlabelled=self.kinds["unlabelled"],
            rejected=self.kinds["rejected"],
            unverified=self.kinds["unverified"],
            skipped=self.skipped,
            images=self.images,
            conflicts=tuple(self.conflicts),
            **{"negatives": self.negatives, **more},
        )


def count(tasks: Iterable[Json], config: LabelConfig, wish: Wish, *, generic_is_unknown: bool = False) -> Report:
    """What an export of these tasks would count; no picture is opened."""
    tally = Tally(config.learnt)
    for task in tasks:
        review = reviewed(task, config, annotators=wish.annotators, generic_is_unknown=generic_is_unknown)
        tally.add(review, negative=empty(task, review, config, wish))
    return tally.report()


def chosen(review: Review, wish: Wish) -> list[Judged]:
    """The boxes that leave: approved ones, and unverified ones where they are wanted."""
    return [each for each in review.judged if each.verdict == "approved" or (wish.unverified and each.verdict == "unverified")]


def empty(task: Json, review: Review, config: LabelConfig, wish: Wish) -> bool:
    """Whether people said that nothing is in this picture; not so where they disagree about what is, or nobody answered."""
    return not review.conflicts and not chosen(review, wish) and decided(task, config, unverified=wish.unverified)
