"""Measures the embedder: can a small head tell designs of an unseen noun apart, and notice a design it was never told of?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dinolabel.vision.embedders.dinov2 import Dinov2, build
from dinolabel.vision.heads.linear import Linear
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings
from recipes.nano.art import SHADELESS, TRAIN_VENDORS, UNSEEN_VENDOR, load_sprites
from recipes.nano.crops import HELD_OUT
from recipes.nano.measure import auroc, mean, share, with_interval
from recipes.nano.scenes import PLAIN_LOOK, Look, Rng, Sprites, compose

SEED = 9_100_000
SHOTS = 5  # crops of each identity that a person has named
TESTS = 24  # crops of each design to measure on
DRAWS = 12  # times that the named crops are drawn anew
KNOWN = 4  # identities to tell apart; the noun's other designs are unknown
SIZE = (448, 448)
POLICY = CropPolicy()
AS_DRAWN = replace(PLAIN_LOOK, strength=0.0)  # light, pose and camera, but no grey, few-toned, outlined or bent drawings


@dataclass(frozen=True)
class Draw:
    """Some designs named by a few crops each; their other crops, and the crops of the designs that nobody named."""

    shots: Embeddings  # (KNOWN * SHOTS, D)
    names: tuple[str, ...]  # of each shot
    known: dict[str, Embeddings]
    unknown: Embeddings

    def naming(self) -> list[bool]:
        """Whether a head told each known crop right."""
        head = Linear().fit(self.shots, list(self.names))
        return [head.labels[i] == design for design, rows in self.known.items() for i in head.predict_proba(rows).argmax(1)]

    def separation(self) -> float:
        """AUROC of known against unknown crops, by the nearest shot."""
        known = np.concatenate(list(self.known.values()))
        return auroc((known @ self.shots.T).max(1), (self.unknown @ self.shots.T).max(1))


def measure_embedder(folder: Path, *, unseen: bool = True) -> dict[str, object]:
    """Accuracy among four unseen designs of one noun and AUROC of the others, over the held-out nouns.

    The AUROC is given twice more, to show where it is lost: without the vendor that redraws another's pictures, and on scenes that
    leave the drawings as they are.
    """
    embedder = build(str(folder), device="cpu", feature="cls")
    sprites = load_sprites((*TRAIN_VENDORS, UNSEEN_VENDOR) if unseen else TRAIN_VENDORS)
    named: list[bool] = []
    areas = defaultdict[str, list[float]](list)
    by_noun = {}
    for number, noun in enumerate(HELD_OUT):
        designs = [d for n, d in sprites if n == noun]
        vectors, plain = ({d: embed_design(embedder, sprites, noun, d, look) for d in designs} for look in (PLAIN_LOOK, AS_DRAWN))
        shaded = {d: v for d, v in vectors.items() if d != SHADELESS}
        draws = drawn(vectors, number)
        rows = [told for draw in draws for told in draw.naming()]
        named += rows
        cases = {"auroc": draws, f"auroc_without_{SHADELESS}": drawn(shaded, number), "auroc_as_drawn": drawn(plain, number)}
        found = {name: [draw.separation() for draw in each] for name, each in cases.items()}
        for name, each in found.items():
            areas[name] += each
        by_noun[noun] = {"accuracy": round(share(rows), 3), "auroc": round(mean(found["auroc"]), 3)}
    separations = {name: with_interval(each, mean) for name, each in areas.items()}
    return {"accuracy": with_interval(named, share), **separations, "by_noun": by_noun}


def embed_design(embedder: Dinov2, sprites: Sprites, noun: str, design: str, look: Look) -> Embeddings:
    """SHOTS + TESTS crops of one design, each from a scene of its own with other things around."""
    others = [key for key in sprites if key[0] not in HELD_OUT]
    crops: list[Crop] = []
    number = 0
    while len(crops) < SHOTS + TESTS:
        rng = np.random.default_rng((SEED, *map(ord, noun + design), number))
        number += 1
        wanted = [(noun, design), *(others[i] for i in rng.choice(len(others), 2))]
        scene = compose(rng, sprites, wanted, SIZE, look, (0.14, 0.5))
        crops += [cut(scene.pixels, nudge(rng, o.box), POLICY) for o in scene.objects if o.noun == noun]
    return embedder.embed(crops[: SHOTS + TESTS])


def nudge(rng: Rng, box: tuple[float, float, float, float]) -> Box:
    """A box as a detector would give it: each side off by a few percent."""
    x0, y0, x1, y1 = box
    off = rng.normal(0, 0.03, 4) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    moved = Box(*(float(v) for v in np.array(box) + off)).clip(SIZE[1], SIZE[0])
    return moved or Box(*box)


def drawn(vectors: dict[str, Embeddings], number: int) -> list[Draw]:
    """DRAWS choices of which designs are named and by which crops, of one noun's (SHOTS + TESTS, D) each."""
    rng = np.random.default_rng((SEED, number))
    draws = []
    for _ in range(DRAWS):
        named = [str(d) for d in rng.choice(sorted(vectors), min(KNOWN, len(vectors) - 1), replace=False)]
        orders = {d: rng.permutation(SHOTS + TESTS) for d in named}
        draws.append(Draw(
            shots=np.concatenate([vectors[d][order[:SHOTS]] for d, order in orders.items()]),
            names=tuple(d for d in named for _ in range(SHOTS)),
            known={d: vectors[d][order[SHOTS:]] for d, order in orders.items()},
            unknown=np.concatenate([v for d, v in vectors.items() if d not in named]),
        ))  # fmt: skip
    return draws
