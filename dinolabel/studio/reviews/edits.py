"""Edits of predicted boxes: what a person had to do to each, and how many keys that takes.

Read off `origin`, `parent_prediction` and the stored prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.picture_key import value_at
from dinolabel.studio.regions.region import Region
from dinolabel.studio.reviews.annotations import Annotation

Json = Mapping[str, Any]

EDITS = ("accepted", "renamed", "moved", "drawn", "deleted", "changed")
"""changed: touched, and the prediction is no longer stored that would tell how."""

KEYS = {"accepted": 0, "renamed": 2, "moved": 1, "drawn": 2, "deleted": 2, "changed": 2}
"""next region and a digit; a drag; a label key and a drag; next region and Backspace. Submits are counted apart."""

BY_HAND = "by hand"
FORGOTTEN = "no longer stored"
NO_LABEL = "no label"
STILL = 0.5  # pixels by which a corner may differ in a box that nobody moved: percent are rounded


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
    """One submitted annotation. version: of the prediction it began from. who: its person, as Label Studio calls them."""

    task: int
    address: Any
    at: str
    version: str
    edits: tuple[BoxEdit, ...]
    who: str | None = None

    @property
    def boxes(self) -> int:
        """Boxes that stand at the end."""
        return sum(each.kept is not None for each in self.edits)

    @property
    def keys(self) -> int:
        return sum(each.keys for each in self.edits)


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
    address = value_at(task.get("data") or {}, config.data_key)
    return AnnotationEdits(int(task["id"]), address, annotation.at, version, tuple(deeds), annotation.who)


def _edit(kept: Region, shown: Region | None) -> BoxEdit:
    label = kept.label or NO_LABEL
    if shown is None:
        what = {"prediction": "accepted", "prediction-changed": "changed"}.get(kept.origin or "", "drawn")
        return BoxEdit(label, (what,), None, kept)
    apart = max(abs(a - b) for a, b in zip(kept.box.xyxy, shown.box.xyxy, strict=True))
    moved = apart > STILL or abs(kept.rotation - shown.rotation) % 360 > STILL
    done = [*(["renamed"] if kept.label != shown.label else []), *(["moved"] if moved else [])]
    return BoxEdit(label, tuple(done) or ("accepted",), shown, kept)
