"""Makes crops of objects for the embedder: which identity each shows, cut from scenes in the ways that products cut.

An identity is one design of one noun, or a recoloured twin of it. Knows nothing of models.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from training.nano.art import TRAIN_VENDORS, load_sprites
from training.nano.scenes import Look, Rng, Scene, Sprites, compose

# Whole nouns that the embedder never sees: the demo's, and others to measure on.
HELD_OUT = ("cat face", "dog face", "car", "guitar", "tropical fish", "rose", "snail", "gift")
CROP_LOOK = Look(strength=0.3, any_hue=0.0, stretch=0.08, turn=0.17)  # an identity keeps its colour
SIDE = 112
SCENE = (288, 288)
TWIN_TURNS = (2.1, 4.2)  # radians of hue
COLOURFUL = 0.2  # mean saturation below which a recoloured twin would be the same drawing


@dataclass(frozen=True)
class Identity:
    noun: str
    design: str


def with_twins(sprites: Sprites) -> Sprites:
    """Adds recoloured twins as designs of their own: more identities for a network to keep apart."""
    grown = dict(sprites)
    for (noun, design), sprite in sprites.items():
        solid = sprite[..., 3] > 128
        hsv = cv2.cvtColor(np.ascontiguousarray(sprite[..., :3]), cv2.COLOR_RGB2HSV)
        if hsv[solid][:, 1].mean() / 255 < COLOURFUL:
            continue
        for number, turn in enumerate(TWIN_TURNS):
            turned = hsv.copy()
            turned[..., 0] = (hsv[..., 0].astype(int) + int(turn * 90 / np.pi)) % 180
            grown[noun, f"{design}+{number}"] = np.dstack([cv2.cvtColor(turned, cv2.COLOR_HSV2RGB), sprite[..., 3]])
    return grown


class Crops:
    """Batch number i of crops, always the same for the same seed."""

    def __init__(self, *, seed: int, size: int) -> None:
        self.seed, self.size = seed, size
        kept = {key: s for key, s in load_sprites(TRAIN_VENDORS).items() if key[0] not in HELD_OUT}
        self.sprites = with_twins(kept)
        self.identities = [Identity(*key) for key in self.sprites]
        self.number = {(i.noun, i.design): n for n, i in enumerate(self.identities)}
        nouns = sorted({i.noun for i in self.identities})
        self.noun_of = torch.tensor([nouns.index(i.noun) for i in self.identities])

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, H, W, 3) uint8 and the identity of each."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, number))
        crops: list[np.ndarray] = []
        labels: list[int] = []
        while len(crops) < self.size:
            picked = rng.integers(len(self.identities), size=5)
            wanted = [(self.identities[i].noun, self.identities[i].design) for i in picked]
            scene = compose(rng, self.sprites, wanted, SCENE, CROP_LOOK, (0.2, 0.6))
            for thing in scene.objects:
                crops.append(cut(rng, scene, thing.box))
                labels.append(self.number[thing.noun, thing.design])
        return torch.from_numpy(np.stack(crops[: self.size])), torch.tensor(labels[: self.size])


def cut(rng: Rng, scene: Scene, box: tuple[float, float, float, float]) -> np.ndarray:
    """SIDE x SIDE RGB around a box that is a little off, as a detector's is: square with context, padded, or squashed."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    x0, x1 = x0 + rng.normal(0, 0.04) * width, x1 + rng.normal(0, 0.04) * width
    y0, y1 = y0 + rng.normal(0, 0.04) * height, y1 + rng.normal(0, 0.04) * height
    margin = rng.uniform(0, 0.2) * max(width, height)
    x0, y0, x1, y1 = x0 - margin / 2, y0 - margin / 2, x1 + margin / 2, y1 + margin / 2
    how = rng.random()
    if how < 0.5:
        return sample(scene.pixels, squared((x0, y0, x1, y1), max), None)
    if how < 0.7:
        return sample(scene.pixels, squared((x0, y0, x1, y1), max), (x0, y0, x1, y1))
    if how < 0.85:
        return sample(scene.pixels, squared((x0, y0, x1, y1), min), None)
    return sample(scene.pixels, (x0, y0, x1, y1), None)


def squared(box: tuple[float, float, float, float], side: type[max] | type[min]) -> tuple[float, float, float, float]:  # type: ignore[valid-type]
    x0, y0, x1, y1 = box
    half = side(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - half, y - half, x + half, y + half


def sample(
    pixels: np.ndarray, window: tuple[float, float, float, float], keep: tuple[float, float, float, float] | None
) -> np.ndarray:
    """The window resized to SIDE x SIDE; what lies outside the image, or outside `keep`, is grey."""
    x0, y0, x1, y1 = window
    matrix = np.array([[(x1 - x0) / SIDE, 0, x0], [0, (y1 - y0) / SIDE, y0]], np.float32)
    source = pixels
    if keep is not None:
        source = np.full_like(pixels, 114)
        left, top, right, bottom = (max(round(v), 0) for v in keep)
        source[top:bottom, left:right] = pixels[top:bottom, left:right]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(source, matrix, (SIDE, SIDE), flags=flags, borderValue=(114, 114, 114))
