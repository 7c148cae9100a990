"""Annotation effort, what people had to do to predicted boxes, by model_version and label: the loop judged by the work it takes away.

Read off `origin`, `parent_prediction` and the stored prediction; knows nothing of pages or pictures.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.picture_key import value_at
from dinolabel.studio.regions.writing import Region
from dinolabel.studio.reviews.annotations import Annotation, annotations_of

Json = Mapping[str, Any]

EDITS = ("accepted", "renamed", "moved", "drawn", "deleted", "changed")
"""changed: touched, and the prediction is no longer stored that would tell how."""

KEYS = {"accepted": 0, "renamed": 2, "moved": 1, "drawn": 2, "deleted": 2, "changed": 2}
"""next region and a digit; a drag; a label key and a drag; next region and Backspace. Submits are counted apart."""

BY_HAND = "by hand"
FORGOTTEN = "no longer stored"
NO_LABEL = "no label"
STILL = 0.5  # pixels by which a corner may differ in a box that nobody moved: percent are rounded
BLOCKS = 40  # points of the curve
FEWEST = 5  # annotations in one point: fewer jump too much to be read
SHOWN = 12  # pictures kept to be looked at


@dataclass(frozen=True, slots=True)
class BoxEdit:
    """One box. what: a deed, or renamed and moved. shown, kept: the predicted and the final box, None where there is none."""

    label: str
    what: tuple[str, ...]
    shown: Region | None
    kept: Region | None

    @property
    def keys(self) -> int:
        return sum(KEYS[each] for each in self.what)


@dataclass(frozen=True, slots=True)
class AnnotationEdits:
    """One submitted annotation. version: of the prediction it began from."""

    task: int
    address: Any
    at: str
    version: str
    edits: tuple[BoxEdit, ...]

    @property
    def boxes(self) -> int:
        """Boxes that stand at the end."""
        return sum(each.kept is not None for each in self.edits)

    @property
    def keys(self) -> int:
        return sum(each.keys for each in self.edits)


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
    _heap: list[tuple[int, int, AnnotationEdits]] = field(default_factory=list)

    def add(self, task: Json, config: LabelConfig) -> None:
        """All annotations of a task; skipped ones, those that a button made and those that came by an import are only counted."""
        by_id = {each.get("id") or 0: each for each in task.get("annotations") or []}
        for annotation in annotations_of(task, config):
            if annotation.cancelled or annotation.made_by_button:
                self.skipped += annotation.cancelled
                self.unverified += not annotation.cancelled
                continue
            if not by_id[annotation.id].get("lead_time"):  # the editor always says how long it took
                self.imported += 1
                continue
            self._count(annotation_edits(annotation, task, config))

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

    def summary(self) -> dict[str, Any]:
        """Everything as JSON; `format` is its version."""
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
            "curve": self.curve(),
        }


def annotation_edits(annotation: Annotation, task: Json, config: LabelConfig) -> AnnotationEdits:
    """What was done in one annotation. Regions keep their id from prediction to annotation (measured), so the id tells which is which."""
    begun: Json = next((each for each in task.get("annotations") or [] if each.get("id") == annotation.id), {})
    if annotation.predicted is None:
        version = FORGOTTEN if begun.get("parent_prediction") else BY_HAND
    else:
        version = annotation.model_version or FORGOTTEN
    shown = {each.id: each for each in annotation.predicted or ()}
    deeds = [_edit(each, shown.get(each.id)) for each in annotation.regions]
    kept = {each.id for each in annotation.regions}
    deeds += [BoxEdit(each.label or NO_LABEL, ("deleted",), each, None) for each in shown.values() if each.id not in kept]
    return AnnotationEdits(int(task["id"]), value_at(task.get("data") or {}, config.data_key), annotation.at, version, tuple(deeds))


def _edit(kept: Region, shown: Region | None) -> BoxEdit:
    label = kept.label or NO_LABEL
    if shown is None:
        what = {"prediction": "accepted", "prediction-changed": "changed"}.get(kept.origin or "", "drawn")
        return BoxEdit(label, (what,), None, kept)
    apart = max(abs(a - b) for a, b in zip(kept.box.xyxy, shown.box.xyxy, strict=True))
    moved = apart > STILL or abs(kept.rotation - shown.rotation) % 360 > STILL
    done = [*(["renamed"] if kept.label != shown.label else []), *(["moved"] if moved else [])]
    return BoxEdit(label, tuple(done) or ("accepted",), shown, kept)
