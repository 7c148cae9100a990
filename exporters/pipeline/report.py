"""What an export counts: boxes by what people decided, pictures, and everything that was left out, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.records import clean
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.reading import OTHER_CONTROL, SMALL
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import Review, ReviewedBox

Json = Mapping[str, Any]

INCOMPLETE = frozenset({"crops", "csv", "labelstudio", "xmp"})
"""Formats that say what is there and never that nothing else is: undecided pictures are in them too."""

DISAGREE = "people disagree"
"""What undecided pictures are counted by when no mark is unread: one object has several names."""


@dataclass(frozen=True)
class ExportReport:
    """Counts of decided boxes (not of rows: an object may have two views), and what was left out.

    approved: of each learnt label. images: pictures with a decided box. negatives: pictures that people left without any. skipped:
    cancelled annotations. failed: pictures that could not be opened and tasks that could not be read, with the boxes that cost. outside:
    boxes with less than a pixel inside their picture. sides: pictures by side of the split. rows: what was written, in the format's own
    unit. undecided: pictures in which a mark was not used; left_out: those of them that the export leaves out, with left_out_boxes that
    were approved. unread: each such mark (task, annotation, region, kind, why); kinds: how many there are of each kind. sideways:
    pictures beside whose boxes the size before their turn was written; the boxes are taken as upright. unlisted: names that people gave
    and the label config does not have, with the boxes of each, which are among the unlabelled.
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
    undecided: int = 0
    left_out: int = 0
    left_out_boxes: int = 0
    unread: tuple[Mapping[str, Any], ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    unlisted: Mapping[str, int] = field(default_factory=dict)


@dataclass
class ReportBuilder:
    """Counts task by task, so that no more than one of them is in memory. unverified: what buttons made counts as well."""

    learnt: tuple[str, ...]
    unverified: bool = False
    named: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    images: int = 0
    negatives: int = 0
    conflicts: list[Mapping[str, Any]] = field(default_factory=list)
    undecided: int = 0
    left_out: int = 0
    left_out_boxes: int = 0
    unread: list[Mapping[str, Any]] = field(default_factory=list)
    disagreements: int = 0
    unlisted: Counter[str] = field(default_factory=Counter)

    def add(self, review: Review, *, negative: bool, left_out: bool = False, lost: Iterable[Json] = ()) -> None:
        """One task's review. negative: somebody answered it, and there is nothing in it. left_out: the picture is, as undecided. lost:
        further marks that were not used, which only its picture told."""
        unread = [*(each.facts for each in review.unread_of(unverified=self.unverified)), *lost]
        self.undecided += bool(lost) or review.state(unverified=self.unverified) == "undecided"
        self.unread += unread
        self.disagreements += sum(each.region is None for each in review.conflicts)
        self.conflicts += [each.facts for each in review.conflicts]
        self.skipped += review.skipped
        self.left_out += left_out
        self.left_out_boxes += left_out * sum(each.verdict == "approved" for each in review.boxes)
        for each in review.boxes:
            self.kinds[each.kind if each.verdict == "approved" else each.verdict] += 1
            if each.verdict == "approved" and each.kind == "named" and each.label:
                self.named[each.label] += 1
            if each.verdict == "approved" and each.unlisted is not None:
                self.unlisted[clean(each.unlisted)] += 1
        self.images += bool(review.boxes)
        self.negatives += negative

    def report(self, *, outside: int = 0, **more: Any) -> ExportReport:
        """In the order of tasks, however they came. more: fields that are only known after writing. outside: boxes that only the picture
        told to lie outside."""
        unread = sorted(self.unread, key=lambda each: int(each["task"]))
        return ExportReport(
            approved={label: self.named[label] for label in self.learnt},
            generic=self.kinds["generic"],
            unknown=self.kinds["unknown"],
            unlabelled=self.kinds["unlabelled"],
            rejected=self.kinds["rejected"],
            unverified=self.kinds["unverified"],
            skipped=self.skipped,
            images=self.images,
            conflicts=tuple(sorted(self.conflicts, key=lambda each: int(each["task"]))),
            outside=outside + small(unread),
            undecided=self.undecided,
            left_out=self.left_out,
            left_out_boxes=self.left_out_boxes,
            unread=tuple(unread),
            kinds=dict(Counter([each["kind"] for each in unread] + [DISAGREE] * self.disagreements).most_common()),
            unlisted=dict(self.unlisted.most_common()),
            **{"negatives": self.negatives, **more},
        )


def count(tasks: Iterable[Json], config: LabelConfig, wish: ExportOptions, *, generic_is_unknown: bool = False) -> ExportReport:
    """What an export of these tasks would count; no picture is opened."""
    tally, failed = ReportBuilder(config.learnt, wish.unverified), list[Json]()
    for task in readable_tasks(tasks, failed):
        review = review_by_policy(task, config, annotators=wish.annotators, generic_is_unknown=generic_is_unknown)
        tally.add(review, negative=is_negative(review, wish), left_out=is_withheld(review, wish))
    return tally.report(failed=tuple(failed))


def boxes_to_export(review: Review, wish: ExportOptions) -> list[ReviewedBox]:
    """The boxes that leave: approved ones, and unverified ones where they are wanted."""
    return [each for each in review.boxes if each.verdict == "approved" or (wish.unverified and each.verdict == "unverified")]


def is_negative(review: Review, wish: ExportOptions) -> bool:
    """Whether people said that nothing is in this picture; not so where they disagree, marked what was not used, or nobody answered."""
    return review.state(unverified=wish.unverified) == "looked at" and not boxes_to_export(review, wish)


def is_withheld(review: Review, wish: ExportOptions) -> bool:
    """Whether the picture is left out since something in it was not used: a trainer takes what has no box for nothing.

    Where a person chose one of several controls, boxes of the others beside its own are no reason.
    """
    if review.state(unverified=wish.unverified) != "undecided":
        return False
    if wish.undecided or not boxes_to_export(review, wish):
        return not boxes_to_export(review, wish)
    reasons = [each for each in review.unread_of(unverified=wish.unverified) if not (wish.control and each.kind == OTHER_CONTROL)]
    return bool(reasons or review.conflicts)


def unread_of(review: Review, *, unverified: bool) -> tuple[Unread, ...]:
    """Why a picture is undecided, in the terms of files: marks that were not used, and objects that people named differently."""
    marks = [Unread(clean(each.region), each.kind, clean(each.why)) for each in review.unread_of(unverified=unverified)]
    named = [" / ".join(each.labels) for each in review.conflicts if each.region is None]
    return (*marks, *(Unread("", DISAGREE, clean(f"people named one object {each}")) for each in named))


def small(unread: Iterable[Json]) -> int:
    """Boxes that have no place in their picture."""
    return sum(each["kind"] in SMALL for each in unread)
