"""Samples a head learns from: embeddings with label, group and view, and which view of each object is the one that will be served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dinolabel.training.data.near_duplicates import Hashes, clusters
from dinolabel.training.errors import NotEnoughLabels
from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import CropRow, Manifest
from dinolabel.vision.images.crop_id import CropId, object_of
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.loading.feature_slice import Feature
from dinolabel.vision.vectors import (truncate_features)
from dinolabel.vision.bundles.split import Side, split_side
from dinolabel.vision.types import Box, Embeddings
from collections.abc import Sequence
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Samples:
    """N views: embeddings (N, D); labels, groups, ids and boxes of length N. served: (N,) the one view of each object that is asked about.

    splits: the side that a person chose for each, None where the hash of its group decides; () when none was chosen.
    familiar: (N,) whether the embedder itself was tuned on something in its group, so that nothing can be measured on it; None: none is.
    features: what the columns are, the narrowest first, where a head may look at some of them; () where it looks at all.

    What people called unknown carries UNKNOWN_LABEL. The detector's own box is what gets named in service, so it is the served view
    where there is one; else the person's.
    """

    embeddings: Embeddings
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    ids: tuple[str, ...]
    boxes: tuple[Box, ...]
    primary_view: Mask
    splits: tuple[Side | None, ...] = ()
    seen_in_finetuning: Mask | None = None
    features: tuple[Feature, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def measurable(self) -> Mask:
        """(N,) served views that something can be measured on."""
        return self.primary_view if self.seen_in_finetuning is None else self.primary_view & ~self.seen_in_finetuning

    def mark_seen(self, objects: Collection[str]) -> Samples:
        """The same rows, `familiar` where an object (task/annotation/region) of the group is one of these."""
        theirs = {group for group, each in zip(self.groups, self.ids, strict=True) if object_of(each) in objects}
        return replace(self, seen_in_finetuning=np.array([group in theirs for group in self.groups], dtype=bool) if theirs else None)

    @property
    def labels_seen(self) -> tuple[str, ...]:
        """All labels, unknown too, sorted: the head's order."""
        return tuple(sorted(set(self.labels)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label for label in self.labels_seen if label != UNKNOWN_LABEL)

    @property
    def columns(self) -> Codes:
        """(N,) labels as positions in `labels_seen`."""
        return codes(self.labels)

    @property
    def group_codes(self) -> Codes:
        return codes(self.groups)

    @property
    def truth(self) -> list[str | None]:
        """(N,) names, None for unknown."""
        return [None if label == UNKNOWN_LABEL else label for label in self.labels]

    @property
    def objects(self) -> dict[str, int]:
        """Objects, not views, of each label."""
        return dict(sorted(Counter(label for label, served in zip(self.labels, self.primary_view, strict=True) if served).items()))

    def merge_duplicates(self, prints: Hashes | None = None) -> Samples:
        """The same rows, near-duplicates of different pictures in one group. prints: (N, 64), see dinolabel.training.data.near_duplicates."""
        ages = [_age(each) for each in self.ids]
        first = self.of_feature(self.first_feature)  # groups come before anybody chooses what to look at
        return replace(self, groups=clusters(first.embeddings, prints, self.groups, ages))

    @property
    def first_feature(self) -> Feature | None:
        """The narrowest; None where a head looks at all."""
        return self.features[0] if self.features else None

    def of_feature(self, feature: Feature | None) -> Samples:
        """The same rows as one sees them who looks at this feature alone; None: at all there is."""
        if feature is None or feature.width == self.embeddings.shape[1]:
            return self
        return replace(self, embeddings=truncate_features(self.embeddings, feature.width), features=(feature,))

    def take(self, mask: Mask) -> Samples:
        """The rows of a boolean mask."""
        at = np.flatnonzero(mask)
        labels, groups, ids = (tuple(column[row] for row in at) for column in (self.labels, self.groups, self.ids))
        boxes, splits = tuple(self.boxes[row] for row in at), tuple(self._splits[row] for row in at)
        familiar = None if self.seen_in_finetuning is None else self.seen_in_finetuning[at]
        return Samples(self.embeddings[at], labels, groups, ids, boxes, self.primary_view[at], splits, familiar, self.features)

    def of(self, labels: Collection[str]) -> Samples:
        """The rows with one of these labels."""
        return self.take(np.array([label in labels for label in self.labels], dtype=bool))

    def on_side(self, which: Side) -> Samples:
        """The rows of one side of the split."""
        sides = [given or split_side(group) for given, group in zip(self._splits, self.groups, strict=True)]
        return self.take(np.array([each == which for each in sides], dtype=bool))

    @property
    def has_fixed_split(self) -> bool:
        """Whether a person chose what to test on."""
        return "held_out" in self.splits

    @property
    def trainable(self) -> Samples:
        """The rows that a published head may learn from: all but those a person set apart to test on."""
        return self.take(np.array([each != "held_out" for each in self._splits], dtype=bool)) if self.has_fixed_split else self

    @property
    def _splits(self) -> tuple[Side | None, ...]:
        return self.splits or (None,) * len(self)


def _age(row_id: str) -> int:
    """Annotations are numbered as they are made: of task/annotation/region/view, the second."""
    return CropId.parse(row_id).annotation


def teaching_rows(manifest: Manifest, *, generic_is_unknown: bool) -> list[CropRow]:
    """Approved rows that teach a name or what is none. Rejected and unverified boxes never do; a generic one may be a name forgotten."""
    kinds = {"named", "unknown", "generic"} if generic_is_unknown else {"named", "unknown"}
    return [row for row in manifest.rows if row.verdict == "approved" and row.kind in kinds]


def gather(features: Features, manifest: Manifest, prints: Hashes | None = None) -> tuple[Samples, tuple[str, ...]]:
    """What is learnt from, and the crops of names left out because their boxes are too small to be named in service.

    prints: (N, 64) of the features' rows, see dinolabel.training.data.near_duplicates: near-duplicates of different pictures become one group.
    Raises NotEnoughLabels when no name is left, and says what each label needs.
    """
    large = [min(row.box.width, row.box.height) >= manifest.policy.min_side for row in features.rows]
    small = tuple(row.crop for row, big in zip(features.rows, large, strict=True) if row.kind == "named" and not big)
    rows = [row for row, big in zip(features.rows, large, strict=True) if big]
    kept = np.array(large, dtype=bool)
    samples = _samples(rows, features.embeddings[kept], features.features).merge_duplicates(None if prints is None else prints[kept])
    if not samples.names:
        raise _too_few(manifest, small=len(small), quarantined=len(features.quarantined))
    if not samples.trainable.names:
        message = f"All {len(samples)} named crops are set apart to test on: there is nothing left to learn from."
        raise NotEnoughLabels(message, missing=dict.fromkeys(samples.names, 1), hint="Add pictures or videos of them to learn from.")
    return samples, small


def _too_few(manifest: Manifest, *, small: int, quarantined: int) -> NotEnoughLabels:
    lost = f" {quarantined} crops could not be read." if quarantined else ""
    missing = dict.fromkeys(manifest.wanted, 1)
    if small:
        message = f"All {small} named crops are smaller than {manifest.policy.min_side} pixels: too small to tell apart.{lost}"
        return NotEnoughLabels(message, missing=missing, hint="Label larger objects or larger pictures.")
    needs = ", ".join(f"{label} needs 1 more" for label in manifest.wanted)
    return NotEnoughLabels(f"No approved box has a name yet{': ' + needs if needs else ''}.{lost}", missing=missing)


def _samples(rows: Sequence[CropRow], embeddings: Embeddings, features: tuple[Feature, ...]) -> Samples:
    with_detector = {row.object_id for row in rows if row.view == "detector"}
    return Samples(
        embeddings=embeddings,
        labels=tuple(str(row.label) if row.kind == "named" else UNKNOWN_LABEL for row in rows),
        groups=tuple(row.group for row in rows),
        ids=tuple(row.id for row in rows),
        boxes=tuple(row.box for row in rows),
        primary_view=np.array([row.view == "detector" or row.object_id not in with_detector for row in rows], dtype=bool),
        splits=tuple(row.split for row in rows) if any(row.split for row in rows) else (),
        features=features,
    )


Codes = npt.NDArray[np.int64]


def codes(values: Sequence[str]) -> Codes:
    """Strings as integers, the same string the same integer."""
    return np.asarray(np.unique(np.array(values, dtype=str), return_inverse=True)[1], dtype=np.int64)
