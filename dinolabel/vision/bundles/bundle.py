"""A trained head with all that decides its answers: labels, calibration, thresholds, references, embedder and crop policy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_from
from safetensors.numpy import save as bytes_of

from dinolabel.vision import plugins
from dinolabel.vision.bundles.distances import label_distances, select_features
from dinolabel.vision.bundles.explanations import most_alike
from dinolabel.vision.bundles.suppression import SuppressionModel, is_probe, nearest
from dinolabel.vision.errors import BundleMismatch, UnknownPlug
from dinolabel.vision.loading.tuned_embedder import TunedEmbedder
from dinolabel.vision.protocols import Head
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Answer, Box, CropPolicy, Embeddings, Named, Reference, Suppressed, Unknown
from dinolabel.vision.vectors import softmax

FORMAT = 4  # 2 may hold a belief about what people delete; 3 may ask several references and some columns; 4 may bring its own embedder
READS = (1, 2, 3, 4)
OPTIONAL = {
    "neighbours": 1,
    "width": 0,
    "embedder_plug": "",
}  # since 3: written, and in the digest, only where they differ from what was before
CARD, ARRAYS = "bundle.json", "arrays.safetensors"
NOTHING = "nothing."  # the belief's arrays
UNKNOWN_LABEL = "unknown"  # a label of this name teaches rejection: it is never given as a name
UNPRINTED_FIELDS = (
    "created_at",
    "metrics",
    "data_digest",
    "trained_on",
    "trained_until",
    "reference_ids",
    "nothing_ids",
    "own",
    "embedder_plug",
)
"""Fields that decide no answer and so do not count in the digest."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Frozen and validated at birth (ValueError).

    labels: the head's, in its order. arrays: the head's. temperature: divides the logits. accept_threshold: least confidence of a
    name. distance_threshold: greatest cosine distance to that label's references: the mean of the nearest `neighbours`. references: (M, D)
    float32 unit rows with reference_labels and reference_ids (where each came from). width: so many first columns of the embedder's rows
    are looked at, made unit again; 0 for all. trained_on: label -> crops. trained_until: ISO time of the
    newest approval seen. created_at: ISO time. metrics: what the gate measured, JSON. nothing: what people keep deleting, or None.
    own: the embedder that lies in the bundle's folder, or None where the settings name it. embedder_plug: its name, where it finds its
    weights by itself, so that the head has it whatever the settings name; else empty.
    """

    labels: tuple[str, ...]
    head_name: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    temperature: float
    accept_threshold: float
    distance_threshold: float
    references: Embeddings = field(repr=False)
    reference_labels: tuple[str, ...] = field(repr=False)
    reference_ids: tuple[str, ...] = field(repr=False)
    embedder_name: str
    embedder_digest: str
    policy: CropPolicy
    created_at: str
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data_digest: str = ""
    trained_on: Mapping[str, int] = field(default_factory=dict)
    trained_until: str = ""
    nothing: SuppressionModel | None = field(default=None, repr=False)
    neighbours: int = 1
    width: int = 0
    own: TunedEmbedder | None = None
    embedder_plug: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        shape, count = self.references.shape, len(self.reference_labels)
        _expect(bool(self.labels) and len(set(self.labels)) == len(self.labels), "labels, each once", self.labels)
        _expect(self.references.dtype == np.float32 and len(shape) == 2, "(M, D) float32 references", (shape, self.references.dtype))
        _expect(shape[0] == count == len(self.reference_ids), "a label and an id per reference", (shape[0], count, len(self.reference_ids)))
        _expect(set(self.reference_labels) == set(self.labels), "references of each label, no other", set(self.reference_labels))
        _expect(self.neighbours >= 1, "at least one neighbour", self.neighbours)
        _expect(self.width in (0, shape[1]), "references as wide as is looked at", (self.width, shape[1]))
        _expect(self.temperature > 0, "a temperature above 0", self.temperature)
        _expect(0 <= self.accept_threshold <= 1, "an accept threshold in 0..1", self.accept_threshold)

    @cached_property
    def digest(self) -> str:
        """Hex digest of all that decides an answer. The same training gives the same digest, whenever it ran."""
        card = {name: value for name, value in self._card().items() if name not in UNPRINTED_FIELDS}
        digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
        for name, each in sorted(self._tensors().items()):
            digest.update(f"{name} {each.dtype.str} {each.shape} ".encode() + each.tobytes())
        return digest.hexdigest()

    @property
    def goes_along(self) -> bool:
        """Whether the embedder is found by the bundle itself, whatever the settings name."""
        return self.own is not None or bool(self.embedder_plug)

    @cached_property
    def head(self) -> Head:
        """The fitted head. Raises BundleMismatch when this installation has no head of that name."""
        return restore_head(self.head_name, self.arrays, self.labels)

    def check(self, embedder_digest: str, policy: CropPolicy) -> None:
        """Raises BundleMismatch unless the embedder and crop policy at hand are those the head was trained with."""
        if embedder_digest != self.embedder_digest:
            raise BundleMismatch(
                f"The head was trained on another embedder ({self.embedder_name}, {self.embedder_digest[:8]}) "
                f"than the one at hand ({embedder_digest[:8]})."
            )
        if policy != self.policy:
            raise BundleMismatch(f"The head was trained on crops cut by {self.policy}, not by {policy}.")

    def answer(self, embeddings: Embeddings, boxes: Sequence[Box], *, image: str = "", reasons: bool = True) -> list[Answer]:
        """One answer per row. embeddings: (N, D) unit rows of the crops of boxes, pixels. Raises BundleMismatch for another D.

        A name needs three things: enough calibrated confidence, references of that label close enough, a box large enough.
        reasons: name the approved crops behind each answer; takes longer than the answer.
        What has no name and is like what people keep deleting is Nothing, but for one in twenty (by image, its Image.key, and box).
        """
        looked = select_features(embeddings, self.width, expected=(len(boxes), self.references.shape[1]))
        if not boxes:
            return []
        confidences = softmax(self.head.logits(looked) / self.temperature)
        distances = self.distances(embeddings)
        answers = [self._answer(*each) for each in zip(confidences, distances, boxes, strict=True)]
        if reasons:
            answers = [replace(each, because=why) for each, why in zip(answers, self._reasons(looked, answers), strict=True)]
        return self._suppressed(answers, looked, boxes, image)

    def rank(self, embeddings: Embeddings, *, most: int = 3) -> list[list[tuple[str, float]]]:
        """For people: the `most` likeliest names of each row with their calibrated confidence (0..1), best first; accepted or not."""
        if not len(embeddings):
            return []
        confidences = softmax(self.head.logits(self.select_features(embeddings)) / self.temperature)
        orders = np.argsort(-confidences, axis=1, kind="stable")[:, :most]
        return [[(self.labels[at], float(row[at])) for at in order] for row, order in zip(confidences, orders, strict=True)]

    def select_features(self, embeddings: Embeddings) -> Embeddings:
        """The columns of (N, D) rows of the embedder that the head knows, unit again. Raises BundleMismatch for too few or too many."""
        return select_features(embeddings, self.width, expected=(len(embeddings), self.references.shape[1]))

    def distances(self, embeddings: Embeddings) -> npt.NDArray[np.float64]:
        """(N, len(labels)) cosine distance (0..2) to the references of each label: mean of the nearest `neighbours`, or of all it has."""
        columns = np.array([self.labels.index(label) for label in self.reference_labels])
        return label_distances(
            self.select_features(embeddings), self.references, columns, count=len(self.labels), neighbours=self.neighbours
        )

    def _reasons(self, looked: Embeddings, answers: Sequence[Named | Unknown]) -> list[tuple[Reference, ...]]:
        wanted = [each.label if isinstance(each, Named) else each.nearest for each in answers]
        return most_alike(looked, wanted, self.references, self.reference_labels, self.reference_ids)

    def _suppressed(self, answers: Sequence[Answer], looked: Embeddings, boxes: Sequence[Box], image: str) -> list[Answer]:
        if self.nothing is None:
            return list(answers)
        believed = self.nothing.score(looked, nearest(looked, self.references))
        return [
            Suppressed(float(share)) if share > 0 and self._hides(answer, box, image) else answer
            for answer, share, box in zip(answers, believed, boxes, strict=True)
        ]

    def _hides(self, answer: Answer, box: Box, image: str) -> bool:
        large = min(box.width, box.height) >= self.policy.min_side  # a smaller crop looks like anything
        return isinstance(answer, Unknown) and large and not is_probe(image, box)

    def _answer(self, confidences: npt.NDArray[np.float64], distances: npt.NDArray[np.float64], box: Box) -> Named | Unknown:
        best = int(np.argmax(confidences))
        label, confidence = self.labels[best], float(confidences[best])
        sure = confidence >= self.accept_threshold and distances[best] <= self.distance_threshold
        if sure and label != UNKNOWN_LABEL and min(box.width, box.height) >= self.policy.min_side:
            return Named(label, confidence)
        return self._nearest(confidences)

    def _nearest(self, confidences: npt.NDArray[np.float64]) -> Unknown:
        order = (int(index) for index in np.argsort(-confidences, kind="stable"))
        nearest = next((index for index in order if self.labels[index] != UNKNOWN_LABEL), None)
        return Unknown() if nearest is None else Unknown(self.labels[nearest], float(confidences[nearest]))

    def save(self, folder: Path) -> None:
        """Write the bundle's two files, and its own embedder, into a folder, which is made if need be. Store.publish makes that atomic."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {**self._card(), "digest": self.digest}
        (folder / ARRAYS).write_bytes(bytes_of(self._tensors()))
        (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        if self.own is not None:
            self.own.copy_to(folder)

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """What save wrote, exactly. Raises BundleMismatch when it is not there, damaged, or of a format we do not know."""
        try:
            card = parse_json((folder / CARD).read_text(encoding="utf-8"))
            if not isinstance(card, dict) or card.get("format") not in READS:
                known = " or ".join(map(str, READS))
                raise BundleMismatch(f"{folder.name} is no bundle of format {known}, those this version reads.", hint="Update dinolabel.")
            arrays = arrays_from((folder / ARRAYS).read_bytes())
            bundle = cls(**_from_card(card, arrays, folder))
            bundle._try_head()
        except FileNotFoundError as error:
            raise BundleMismatch(f"{folder.name} holds no bundle: {Path(error.filename).name} is missing.") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, SafetensorError) as error:
            raise BundleMismatch(f"The bundle in {folder.name} is damaged: {error}.") from error
        if bundle.digest != card.get("digest"):
            raise BundleMismatch(f"The bundle in {folder.name} was changed after it was written.")
        return bundle

    def _try_head(self) -> None:
        """One answer, so that a head of another width, or one that is no numbers, fails here and not in each answer. Raises ValueError."""
        logits = self.head.logits(self.references[:1])
        _expect(logits.shape == (1, len(self.labels)), "one logit for each label", logits.shape)
        _expect(bool(np.isfinite(logits).all() and np.isfinite(self.references).all()), "numbers", "what is none")

    def _card(self) -> dict[str, Any]:
        skip = ("arrays", "references", "policy", "nothing", "own")
        card = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in skip} | {"policy": asdict(self.policy)}
        card = {name: value for name, value in card.items() if name not in OPTIONAL or value != OPTIONAL[name]}
        card |= {"own": self.own.card()} if self.own else {}
        return card if self.nothing is None else card | {"nothing_distance": self.nothing.distance, "nothing_ids": self.nothing.ids}

    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        named = {f"head.{name}": each for name, each in self.arrays.items()} | {"references": self.references}
        if self.nothing is not None:
            named |= {f"{NOTHING}{name}": getattr(self.nothing, name) for name in ("rejected", "pictures", "kept")}
        return {name: np.ascontiguousarray(each) for name, each in named.items()}


def restore_head(name: str, arrays: Mapping[str, npt.NDArray[Any]], labels: Sequence[str]) -> Head:
    """The head of that name with these arrays. Raises BundleMismatch when there is no such file in dinolabel/vision/heads."""
    try:
        module = plugins.head(name)
    except UnknownPlug as error:
        raise BundleMismatch(f"This installation has no head {name!r}.", hint="Update dinolabel, or train again.") from error
    head: Head = module.restore(arrays, labels)
    return head


def _from_card(card: Mapping[str, Any], arrays: dict[str, npt.NDArray[Any]], folder: Path) -> dict[str, Any]:
    """Keyword arguments of Bundle from its two files. Fields this version does not know are left out."""
    known = {each.name for each in fields(Bundle)}
    values: dict[str, Any] = {name: value for name, value in card.items() if name in known}
    values |= {name: tuple(values[name]) for name in ("labels", "reference_labels", "reference_ids")}
    values["policy"] = CropPolicy(**values["policy"])
    values["own"] = TunedEmbedder.of(values["own"], folder) if values.get("own") else None
    values["references"] = arrays.pop("references")
    belief = {name.removeprefix(NOTHING): arrays.pop(name) for name in list(arrays) if name.startswith(NOTHING)}
    if belief:
        values["nothing"] = SuppressionModel(**belief, distance=card["nothing_distance"], ids=tuple(card["nothing_ids"]))
    values["arrays"] = {name.removeprefix("head."): each for name, each in arrays.items()}
    return values


def _expect(met: bool, wanted: str, got: object) -> None:
    if not met:
        raise ValueError(f"expected {wanted}, got {got!r}")
