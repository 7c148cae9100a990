"""Makes crops of objects for the embedder: which identity each shows, cut from scenes in the ways that products cut.

An identity is one design of one noun, or a twin made out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from dinolabel.vision.images.cropping import GREY
from recipes.nano.art import TRAIN_VENDORS, load_sprites
from recipes.nano.backgrounds import Array
from recipes.nano.scenes import Look, Rng, Scene, compose
from recipes.nano.twins import is_easy, original_of, with_twins

Bounds = tuple[float, float, float, float]  # xyxy in pixels

# Whole nouns that the embedder never sees: the demo's, and others to measure on.
HELD_OUT = ("cat face", "dog face", "car", "guitar", "tropical fish", "rose", "snail", "gift")
CROP_LOOK = Look(strength=0.2, any_hue=0.0, stretch=0.06, turn=0.15)  # an identity keeps its colour
BARE_LOOK = replace(CROP_LOOK, bare=True)
SIDE = 140  # pixels of a crop
SMALL_SIDE = 112  # at first
SCENE = (192, 192)  # a scene a crop: one object, sometimes with a neighbour
SIDES = (0.35, 0.75)
NEIGHBOUR = 0.35
AHEAD = 8  # batches made in advance
SKETCH = 8  # side of the small clean picture that an embedding must be able to draw


@dataclass(frozen=True)
class Plan:
    """For how many batches each thing is made easier."""

    bare_until: int = 400  # what a thing looks like on its own, before light, blur and what is around it
    easy_until: int = 2_000  # without the twins that are hard to tell apart
    small_until: int = 5_000  # of SMALL_SIDE: more crops in the same time


PLAN = Plan()
NO_PLAN = Plan(0, 0, 0)  # all of it from the first batch on


@dataclass(frozen=True)
class Identity:
    noun: str
    design: str


class Crops:
    """Batch number i of crops, always the same for the same seed."""

    def __init__(self, *, seed: int, size: int, plan: Plan = PLAN) -> None:
        self.seed, self.size, self.plan = seed, size, plan
        kept = {key: s for key, s in load_sprites(TRAIN_VENDORS).items() if key[0] not in HELD_OUT}
        self.sprites = with_twins(kept)
        self.identities = [Identity(*key) for key in self.sprites]
        self.number = {(i.noun, i.design): n for n, i in enumerate(self.identities)}
        self.easy = [n for n, i in enumerate(self.identities) if is_easy(i.design)]
        begins_at = [i.design if is_easy(i.design) else original_of(i.design) for i in self.identities]
        self.begins_at = torch.tensor([self.number[i.noun, design] for i, design in zip(self.identities, begins_at, strict=True)])
        nouns = sorted({i.noun for i in self.identities})
        self.sketches = torch.from_numpy(standardised(np.stack([sketch(s) for s in self.sprites.values()])))
        self.noun_of = torch.tensor([nouns.index(i.noun) for i in self.identities])

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, side, side, 3) uint8 and the identity of each."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, number))
        side = SMALL_SIDE if number < self.plan.small_until else SIDE
        look = BARE_LOOK if number < self.plan.bare_until else CROP_LOOK
        pool = self.easy if number < self.plan.easy_until else range(len(self.identities))
        crops: list[Array] = []
        labels: list[int] = []
        while len(crops) < self.size:
            picked = rng.integers(len(pool), size=2 if rng.random() < NEIGHBOUR and not look.bare else 1)
            wanted = [(self.identities[pool[i]].noun, self.identities[pool[i]].design) for i in picked]
            scene = compose(rng, self.sprites, wanted, SCENE, look, SIDES)
            for thing in scene.objects:
                crops.append(cut(rng, scene, thing.box, side))
                labels.append(self.number[thing.noun, thing.design])
        return torch.from_numpy(np.stack(crops[: self.size])), torch.tensor(labels[: self.size])


def made_ahead(crops: Crops, first: int, end: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches `first` to `end` (not included), made in another process while this one learns.

    Spawned, not forked: OpenCV waits for ever in a fork of a process in which its threads have run.
    """
    yield from DataLoader(
        range(first, end),  # type: ignore[arg-type]  # a sequence is all it needs
        batch_size=None, collate_fn=crops.batch, num_workers=1, prefetch_factor=AHEAD, multiprocessing_context="spawn",
    )  # fmt: skip


def sketch(sprite: Array) -> Array:
    """The drawing itself, upright and centred, as SKETCH x SKETCH premultiplied RGBA numbers."""
    height, width = sprite.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 4), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = sprite
    square[..., :3] = square[..., :3] * square[..., 3:] / 255 + 114 * (1 - square[..., 3:] / 255)
    return np.asarray(cv2.resize(square, (SKETCH, SKETCH), interpolation=cv2.INTER_AREA)).reshape(-1)


def standardised(sketches: Array) -> Array:
    spread = sketches.std(0) + 10  # corners hardly differ: they must not count as much as the middle
    return np.asarray((sketches - sketches.mean(0)) / spread, np.float32)


def cut(rng: Rng, scene: Scene, box: Bounds, side: int) -> Array:
    """side x side RGB around a box that is a little off, as a detector's is: mostly the product's square with context."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    x0, x1 = x0 + rng.normal(0, 0.04) * width, x1 + rng.normal(0, 0.04) * width
    y0, y1 = y0 + rng.normal(0, 0.04) * height, y1 + rng.normal(0, 0.04) * height
    margin = rng.uniform(0.05, 0.35) * max(width, height) / 2
    x0, y0, x1, y1 = x0 - margin, y0 - margin, x1 + margin, y1 + margin
    how = rng.random()
    if how < 0.8:
        return sample(scene.pixels, squared((x0, y0, x1, y1), longest=True), side)
    if how < 0.9:
        return sample(scene.pixels, squared((x0, y0, x1, y1), longest=True), side, keep=(x0, y0, x1, y1))
    return sample(scene.pixels, squared((x0, y0, x1, y1), longest=False), side)


def squared(box: Bounds, *, longest: bool) -> Bounds:
    x0, y0, x1, y1 = box
    half = (max if longest else min)(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - half, y - half, x + half, y + half


def sample(pixels: Array, window: Bounds, side: int, keep: Bounds | None = None) -> Array:
    """The window resized to side x side; what lies outside the image, or outside `keep`, is grey."""
    x0, y0, x1, y1 = window
    matrix = np.array([[(x1 - x0) / side, 0, x0], [0, (y1 - y0) / side, y0]], np.float32)
    source = pixels
    if keep is not None:
        source = np.full_like(pixels, GREY)
        left, top, right, bottom = (max(round(v), 0) for v in keep)
        source[top:bottom, left:right] = pixels[top:bottom, left:right]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(source, matrix, (side, side), flags=flags, borderValue=GREY))
