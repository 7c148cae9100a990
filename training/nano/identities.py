"""Measures the embedder: can a small head tell designs of an unseen noun apart, and notice a design it was never told of?

Knows nothing of the detector; crops are cut at true boxes that are a little off, in the product's way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.nano.art import SHADELESS, TRAIN_VENDORS, UNSEEN_VENDOR, load_sprites
from training.nano.crops import HELD_OUT
from training.nano.measure import auroc, mean, share, with_interval
from training.nano.scenes import PLAIN_LOOK, Rng, Sprites, compose
from vision.cropping import cut
from vision.embedders.dinov2 import Dinov2, build
from vision.heads.linear import Linear
from vision.types import Box, Crop, CropPolicy, Embeddings

SEED = 9_100_000
SHOTS = 5  # crops of each identity that a person has named
TESTS = 24  # crops of each design to measure on
DRAWS = 12  # times that the named crops are drawn anew
KNOWN = 4  # identities to tell apart; the noun's other designs are unknown
SIZE = (448, 448)
POLICY = CropPolicy()


def measure_embedder(folder: Path, *, unseen: bool = True) -> dict[str, object]:
    """Accuracy among four unseen designs of one noun and AUROC of the others, over the held-out nouns.

    The AUROC is given once more without the vendor that redraws another's pictures, to show how much lies on these two.
    """
    embedder = build(str(folder), device="cpu", feature="cls")
    sprites = load_sprites((*TRAIN_VENDORS, UNSEEN_VENDOR) if unseen else TRAIN_VENDORS)
    right: list[object] = []
    separations: list[object] = []
    apart: list[object] = []
    by_noun = {}
    for noun in HELD_OUT:
        designs = [d for n, d in sprites if n == noun]
        vectors = {d: embed_design(embedder, sprites, noun, d) for d in designs}
        seed = (SEED, HELD_OUT.index(noun))
        rows, areas = probe(np.random.default_rng(seed), vectors)
        right += rows
        separations += areas
        apart += probe(np.random.default_rng(seed), {d: v for d, v in vectors.items() if d != SHADELESS})[1]
        by_noun[noun] = {"accuracy": round(share(rows), 3), "auroc": round(mean(areas), 3)}
    return {
        "accuracy": with_interval(right, share),
        "auroc": with_interval(separations, mean),
        f"auroc_without_{SHADELESS}": with_interval(apart, mean),
        "by_noun": by_noun,
    }


def embed_design(embedder: Dinov2, sprites: Sprites, noun: str, design: str) -> Embeddings:
    """SHOTS + TESTS crops of one design, each from a scene of its own with other things around."""
    others = [key for key in sprites if key[0] not in HELD_OUT]
    crops: list[Crop] = []
    number = 0
    while len(crops) < SHOTS + TESTS:
        rng = np.random.default_rng((SEED, *map(ord, noun + design), number))
        number += 1
        wanted = [(noun, design), *(others[i] for i in rng.choice(len(others), 2))]
        scene = compose(rng, sprites, wanted, SIZE, PLAIN_LOOK, (0.14, 0.5))
        crops += [cut(scene.pixels, nudge(rng, o.box), POLICY) for o in scene.objects if o.noun == noun]
    return embedder.embed(crops[: SHOTS + TESTS])


def nudge(rng: Rng, box: tuple[float, float, float, float]) -> Box:
    """A box as a detector would give it: each side off by a few percent."""
    x0, y0, x1, y1 = box
    off = rng.normal(0, 0.03, 4) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    moved = Box(*(float(v) for v in np.array(box) + off)).clipped(SIZE[1], SIZE[0])
    return moved or Box(*box)


def probe(rng: Rng, vectors: dict[str, Embeddings]) -> tuple[list[bool], list[float]]:
    """Several draws of which designs are named and by which crops: each test's rightness, each draw's AUROC."""
    right: list[bool] = []
    areas: list[float] = []
    for _ in range(DRAWS):
        named = [str(d) for d in rng.choice(sorted(vectors), min(KNOWN, len(vectors) - 1), replace=False)]
        shots = np.concatenate([vectors[d][rng.permutation(SHOTS + TESTS)[:SHOTS]] for d in named])
        taken = {tuple(row[:8]) for row in shots}
        head = Linear().fit(shots, [d for d in named for _ in range(SHOTS)])
        near = []
        for design in named:
            rest = np.array([row for row in vectors[design] if tuple(row[:8]) not in taken])
            right += [head.labels[i] == design for i in head.predict_proba(rest).argmax(1)]
            near.append((rest @ shots.T).max(1))
        far = np.concatenate([(vectors[d] @ shots.T).max(1) for d in vectors if d not in named])
        areas.append(auroc(np.concatenate(near), far))
    return right, areas
