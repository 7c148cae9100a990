"""The study's crops: drawn identities that the embedded embedder has never seen, many crops of each, cut as the product cuts them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dinolabel.training.data.samples import Samples
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.loading.feature_slice import Feature, features_of
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings
from dinolabel.vision.vectors import truncate_features
from recipes.nano.art import load_sprites
from recipes.nano.scenes import PLAIN_LOOK, Rng, Sprites, compose

SEED = 8_200_000  # neither a training seed, nor the demo's, nor the evaluation's of the embedded models
SIZE = (384, 512)
SIDES = (0.14, 0.42)  # as in the demo
OBJECTS = 3  # in a scene, so that crops of one picture share its light
NUDGE = 0.03  # a detector's box is off by so much on each side
POLICY = CropPolicy()
BOX = Box(0, 0, 60, 60)
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "study"
VERSION = 1

DEMO_NAMES = {"tom": ("cat face", "emojione"), "felix": ("cat face", "noto-v1")}
DEMO_STRANGERS = [("cat face", design) for design in ("fxemoji", "fluent-3d", "fluent-flat", "streamline")]
NOUNS = ("dog face", "car", "guitar", "tropical fish", "rose")
NAMED, STRANGE = ("emojione", "noto-v1"), ("fxemoji", "fluent-3d", "fluent-flat", "streamline")
TEN_NAMES = {f"{noun} {design}": (noun, design) for noun in NOUNS for design in NAMED}
TEN_STRANGERS = [(noun, design) for noun in NOUNS for design in STRANGE]


@dataclass(frozen=True)
class World:
    """names: label -> (N, D) unit rows; strangers: (U, D) of identities nobody named; groups: the picture of each row, alike.

    features: what the columns are.
    """

    names: dict[str, Embeddings]
    strangers: Embeddings
    groups: dict[str, tuple[str, ...]]
    features: tuple[Feature, ...] = ()

    def draw(self, rng: Rng, shots: int, *, labels: Sequence[str] | None = None) -> tuple[Samples, Samples]:
        """So many crops of each name to learn from, and all others (strangers too, as unknown) to ask about; no picture on both sides."""
        chosen = {label: rng.permutation(len(rows))[:shots] for label, rows in self.names.items() if labels is None or label in labels}
        used = {self.groups[label][at] for label, picked in chosen.items() for at in picked}
        rest = {label: [at for at, group in enumerate(self.groups[label]) if group not in used] for label in chosen}
        learnt = [(label, self.groups[label][at], self.names[label][at]) for label, picked in chosen.items() for at in picked]
        asked = [(label, self.groups[label][at], self.names[label][at]) for label, picked in rest.items() for at in picked]
        strange = zip(self.groups[UNKNOWN_LABEL], self.strangers, strict=True)
        asked += [(UNKNOWN_LABEL, group, row) for group, row in strange if group not in used]
        return _samples(learnt, self.features), _samples(asked, self.features)

    def of_first_feature(self) -> World:
        """The same crops as they are seen by who looks at the first feature alone."""
        if not self.features:
            return self
        width = self.features[0].width
        names = {label: truncate_features(rows, width) for label, rows in self.names.items()}
        return World(names, truncate_features(self.strangers, width), self.groups, self.features[:1])


def _samples(rows: Sequence[tuple[str, str, npt.NDArray[np.float32]]], features: tuple[Feature, ...]) -> Samples:
    labels, groups, vectors = zip(*rows, strict=True)
    ids = tuple(f"{at}/{at}/r/person" for at in range(len(rows)))
    ones = np.ones(len(rows), dtype=bool)
    return Samples(np.stack(vectors), labels, groups, ids, (BOX,) * len(rows), ones, features=features)


def demo(embedder: Embedder, *, crops: int = 150, strangers: int = 60) -> World:
    """The demo's two names among the other cats."""
    return _made(embedder, DEMO_NAMES, DEMO_STRANGERS, crops, strangers)


def ten(embedder: Embedder, *, crops: int = 300, strangers: int = 30) -> World:
    """Ten names, two of each noun; the noun's other designs are strangers."""
    return _made(embedder, TEN_NAMES, TEN_STRANGERS, crops, strangers)


def _made(
    embedder: Embedder, names: dict[str, tuple[str, str]], strangers: Sequence[tuple[str, str]], crops: int, each_stranger: int
) -> World:
    wanted = {**dict.fromkeys(names.values(), crops), **dict.fromkeys(strangers, each_stranger)}
    facts = [VERSION, SEED, SIZE, SIDES, sorted(map(str, wanted.items())), embedder.digest, NUDGE]
    path = CACHE / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        _embed_all(embedder, wanted, path)
    with np.load(path) as kept:
        vectors, designs, scenes = kept["vectors"], kept["designs"], kept["scenes"]
    rows = {design: np.flatnonzero(designs == " | ".join(design)) for design in wanted}
    strange = np.concatenate([rows[design] for design in strangers])
    groups = {label: tuple(f"picture {scenes[at]}" for at in rows[design]) for label, design in names.items()}
    groups[UNKNOWN_LABEL] = tuple(f"picture {scenes[at]}" for at in strange)
    return World({label: vectors[rows[design]] for label, design in names.items()}, vectors[strange], groups, features_of(embedder))


def _embed_all(embedder: Embedder, wanted: dict[tuple[str, str], int], path: Path) -> None:
    found: list[tuple[tuple[str, str], int]] = []
    crops: list[Crop] = []
    vectors: list[Embeddings] = []
    for design, scene, crop in crops_of(wanted):
        found.append((design, scene))
        crops.append(crop)
        if len(crops) == 64:
            vectors.append(embedder.embed(crops))
            crops = []
    vectors.append(embedder.embed(crops))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npz")
    designs = np.array([" | ".join(design) for design, _ in found])
    np.savez(unfinished, vectors=np.concatenate(vectors), designs=designs, scenes=np.array([scene for _, scene in found]))
    unfinished.replace(path)


def crops_of(wanted: dict[tuple[str, str], int]) -> Iterator[tuple[tuple[str, str], int, Crop]]:
    """(design, number of its scene, crop) until there are as many of each as wanted; scenes are seeded by their number."""
    sprites = load_sprites()
    left = dict(wanted)
    number = 0
    while any(left.values()):
        rng = np.random.default_rng((SEED, number))
        open_ones = [design for design, count in left.items() if count]
        odds = np.array([left[design] for design in open_ones], float)
        picks = rng.choice(len(open_ones), size=min(OBJECTS, len(open_ones)), replace=False, p=odds / odds.sum())
        yield from _scene(rng, sprites, [open_ones[at] for at in picks], number, left)
        number += 1


def _scene(
    rng: Rng, sprites: Sprites, designs: list[tuple[str, str]], number: int, left: dict[tuple[str, str], int]
) -> Iterator[tuple[tuple[str, str], int, Crop]]:
    scene = compose(rng, sprites, designs, SIZE, PLAIN_LOOK, SIDES)
    for thing in scene.objects:
        design = (thing.noun, thing.design)
        sides = np.array([thing.box[2] - thing.box[0], thing.box[3] - thing.box[1]] * 2)
        box = Box(*map(float, np.array(thing.box) + rng.normal(0, NUDGE, 4) * sides)).clip(SIZE[1], SIZE[0])
        if left[design] and box is not None and min(box.width, box.height) >= POLICY.min_side:
            left[design] -= 1
            yield design, number, cut(scene.pixels, box, POLICY)
