"""Which boxes of an export people approved, rejected or never looked at: the one reading that every format starts from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.report import unread_of
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotator_policy import Annotators, review_by_policy
from dinolabel.studio.reviews.decisions import Conflict, Review, ReviewedBox, UnreadMark

Json = Mapping[str, Any]


@dataclass(frozen=True)
class ReviewedSelection:
    """judged: every decided box, in the order of tasks, annotations and regions. data: each task's own keys, by task id.

    conflicts: objects that people named differently, left out. skipped: cancelled annotations. unread: marks that were not used;
    undecided: pictures that have such, or conflicts. doubts: both, by task id. failed: tasks that could not be read.
    """

    boxes: tuple[ReviewedBox, ...]
    conflicts: tuple[Conflict, ...]
    skipped: int
    data: Mapping[int, Json]
    labels: tuple[str, ...]
    unread: tuple[UnreadMark, ...] = ()
    doubts: Mapping[int, tuple[Unread, ...]] = field(default_factory=dict)
    undecided: int = 0
    failed: tuple[Json, ...] = ()

    @property
    def approved(self) -> dict[str, int]:
        """Approved boxes of each learnt label, those without any too."""
        named = Counter(each.label for each in self.boxes if each.verdict == "approved" and each.kind == "named")
        return {label: named[label] for label in self.labels}

    def count(self, verdict: str, *kinds: str) -> int:
        """Boxes with this verdict, of these kinds (all when none is given)."""
        return sum(each.verdict == verdict and (not kinds or each.kind in kinds) for each in self.boxes)

    @property
    def by_task(self) -> dict[int, list[ReviewedBox]]:
        """Tasks that have a decided box, by id."""
        tasks: dict[int, list[ReviewedBox]] = {}
        for each in self.boxes:
            tasks.setdefault(each.task, []).append(each)
        return tasks


def select_reviewed(
    tasks: Iterable[Json], config: LabelConfig, *, generic_is_unknown: bool = False, annotators: Annotators = "agreed"
) -> ReviewedSelection:
    """Every decision in a JSON export. annotators: whose word counts where several annotated a task
    (dinolabel.studio.reviews.annotator_policy).

    Tasks are read one by one, so what is in memory grows with the boxes and not with the export file.
    """
    found: list[tuple[int, Json, Review]] = []
    failed: list[Json] = []
    for task in readable_tasks(tasks, failed):
        review = review_by_policy(task, config, annotators=annotators, generic_is_unknown=generic_is_unknown)
        found.append((int(task["id"]), task.get("data") or {}, review))
    found.sort(key=lambda each: each[0])
    return ReviewedSelection(
        boxes=tuple(each for _, _, one in found for each in sorted(one.boxes, key=lambda judged: (judged.annotation, judged.region))),
        conflicts=tuple(each for _, _, one in found for each in one.conflicts),
        skipped=sum(one.skipped for _, _, one in found),
        data={number: data for number, data, _ in found},
        labels=config.learnt,
        unread=tuple(each for _, _, one in found for each in one.unread_of()),
        doubts={number: doubts for number, _, one in found if (doubts := unread_of(one, unverified=False))},
        undecided=sum(one.state() == "undecided" for _, _, one in found),
        failed=tuple(failed),
    )
