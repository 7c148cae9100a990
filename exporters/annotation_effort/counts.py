"""Annotation effort, what people had to do to predicted boxes, by model_version, label and person: the loop judged by the work it takes
away. Knows nothing of pages or pictures."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.annotations import annotations_of
from dinolabel.studio.reviews.edits import EDITS, KEYS, NO_LABEL, AnnotationEdits, annotation_edits
from dinolabel.studio.reviews.people import PersonCounts, add_people, answers_of, count_people

Json = Mapping[str, Any]

BLOCKS = 40  # points of the curve
FEWEST = 5  # annotations in one point: fewer jump too much to be read
SHOWN = 12  # pictures kept to be looked at


@dataclass
class EffortCounts:
    """Counts annotation by annotation. hardest: those with the most keys, to be looked at."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    boxes: Counter[tuple[str, str]] = field(default_factory=Counter)
    renamings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answers: list[tuple[str, str, int, int]] = field(default_factory=list)  # at, version, boxes, keys
    skipped: int = 0
    unverified: int = 0
    imported: int = 0
    people: list[PersonCounts] = field(default_factory=list)
    _heap: list[tuple[int, int, AnnotationEdits]] = field(default_factory=list)

    def add(self, task: Json, config: LabelConfig) -> None:
        """All annotations of a task; skipped ones, those that a button made and those that came by an import are only counted."""
        answers = answers_of(task, config)
        for each in annotations_of(task, config):
            self.skipped += each.cancelled
            self.unverified += each.made_by_button and not each.cancelled
            self.imported += not (each.cancelled or each.made_by_button or each in answers)
        for each in answers:
            self._count(annotation_edits(each, task, config))
        self.people = add_people([*self.people, *count_people(answers, task, config)])

    def _count(self, one: AnnotationEdits) -> None:
        self.answers.append((one.at, one.version, one.boxes, one.keys))
        for each in one.edits:
            self.counts.update((one.version, each.label, what) for what in each.what)
            self.boxes[one.version, each.label] += each.kept is not None
            if "renamed" in each.what and each.shown:
                self.renamings[one.version, each.shown.label or NO_LABEL, each.label] += 1
        heapq.heappush(self._heap, (one.keys, -len(self.answers), one))
        if len(self._heap) > SHOWN:
            heapq.heappop(self._heap)

    @property
    def hardest(self) -> list[AnnotationEdits]:
        return [one for keys, _, one in sorted(self._heap, key=lambda each: each[:2], reverse=True) if keys]

    @property
    def versions(self) -> list[str]:
        """In the order in which people first saw them."""
        return list(dict.fromkeys(version for _, version, _, _ in sorted(self.answers)))

    def row(self, version: str, label: str | None = None) -> dict[str, Any]:
        """Counts of a version, of one label or of all. keys_per_box is None where no box stands at the end."""
        counted = {what: sum(self.counts[each] for each in self._matching(version, label, what)) for what in EDITS}
        boxes = sum(number for (each, name), number in self.boxes.items() if each == version and label in (None, name))
        keys = sum(KEYS[what] * number for what, number in counted.items())
        return {**counted, "boxes": boxes, "keys": keys, "keys_per_box": keys / boxes if boxes else None}

    def _matching(self, version: str, label: str | None, what: str) -> Iterator[tuple[str, str, str]]:
        return (each for each in self.counts if each[0] == version and each[2] == what and label in (None, each[1]))

    def curve(self) -> list[dict[str, Any]]:
        """Keys per box over time: blocks of annotations in the order they were submitted, never across a change of version."""
        size = max(FEWEST, -(-len(self.answers) // BLOCKS))
        blocks: list[dict[str, Any]] = []
        for number, (at, version, boxes, keys) in enumerate(sorted(self.answers), 1):
            if not blocks or blocks[-1]["annotations"] == size or blocks[-1]["version"] != version:
                blocks.append({"version": version, "from": number, "to": number, "annotations": 0, "boxes": 0, "keys": 0, "at": at})
            last = blocks[-1]
            last |= {"to": number, "annotations": last["annotations"] + 1, "boxes": last["boxes"] + boxes, "keys": last["keys"] + keys}
        return [each | {"keys_per_box": each["keys"] / each["boxes"] if each["boxes"] else None} for each in blocks]

    def summary(self, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Everything as JSON; `format` is its version. names: what to call people whom the tasks know by a number."""
        labels = {version: sorted({label for each, label, _ in self.counts if each == version}) for version in self.versions}
        return {
            "format": 1,
            "annotations": len(self.answers),
            "skipped": self.skipped,
            "unverified": self.unverified,
            "imported": self.imported,
            "versions": [
                {
                    "model_version": version,
                    "annotations": sum(each[1] == version for each in self.answers),
                    **self.row(version),
                    "labels": [{"label": label, **self.row(version, label)} for label in labels[version]],
                    "renamings": [
                        {"from": before, "to": after, "boxes": number}
                        for (each, before, after), number in self.renamings.most_common()
                        if each == version
                    ],
                }
                for version in self.versions
            ],
            "people": [_person(each, names or {}) for each in self.people],
            "curve": self.curve(),
        }


def _person(counts: PersonCounts, names: Mapping[str, str]) -> dict[str, Any]:
    return {**asdict(counts), "who": names.get(counts.who, counts.who), "keys_per_box": counts.keys_per_box, "agreement": counts.agreement}
