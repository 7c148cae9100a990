"""Composes scenes: sprites of known nouns on a background, with the true box of each."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from recipes.nano.backgrounds import Array, draw_background, plain
from recipes.nano.sprites import halve_until, pose, vary
from recipes.nano.vocabulary import COLOUR_FREE, Noun

Rng = np.random.Generator
Sprites = dict[tuple[str, str], Array]

SOLID = 60.0  # alpha above which a pixel belongs to the object's box
SMALL, SMALL_SHARE = 0.14, 0.1  # a tenth of objects have a long side of 5-14 % of the image's, the others 14-60 %


@dataclass(frozen=True)
class Placed:
    """One object in a scene; the box is xyxy in pixels, inside the image."""

    noun: str
    design: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Scene:
    pixels: Array  # H x W x 3 uint8 RGB
    objects: tuple[Placed, ...]


@dataclass(frozen=True)
class Look:
    """How wild the sprites are drawn."""

    strength: float = 1.0  # colour and outline changes
    any_hue: float = 0.5  # how often a thing that may have any colour gets one
    stretch: float = 0.16  # log standard deviation of aspect
    turn: float = 0.17  # radians, standard deviation
    bare: bool = False  # on one plain colour, and no camera: no light, blur, noise or JPEG


TRAINING_LOOK = Look()
EASY_LOOK = Look(strength=0.4, any_hue=0.2)  # for the first part of training
PLAIN_LOOK = Look(strength=0.25, any_hue=0.0, stretch=0.06, turn=0.13)  # evaluation, demo: identities keep their colour


class Cast:
    """Which designs each noun has, and how often each noun is wanted."""

    def __init__(self, sprites: Sprites, nouns: tuple[Noun, ...]) -> None:
        self.sprites = sprites
        self.designs: dict[str, list[str]] = {}
        for noun, design in sprites:
            self.designs.setdefault(noun, []).append(design)
        self.nouns = [n.name for n in nouns if n.name in self.designs]
        weights = np.array([n.weight for n in nouns if n.name in self.designs])
        self.odds = weights / weights.sum()

    def choose(self, rng: Rng, count: int) -> list[tuple[str, str]]:
        """Objects of 1..count nouns, each with a design of its own."""
        kinds = rng.choice(self.nouns, size=int(rng.integers(1, min(count, len(self.nouns)) + 1)), replace=False, p=self.odds)
        picked = [str(k) for k in kinds] + [str(k) for k in rng.choice(kinds, count - len(kinds))]
        return [(noun, str(rng.choice(self.designs[noun]))) for noun in picked]


def make_scene(rng: Rng, cast: Cast, size: tuple[int, int], look: Look = TRAINING_LOOK) -> Scene:
    """A scene of 1-8 objects (few more often than many) and (height, width) `size`."""
    count = 1 + min(int(rng.exponential(3.0)), 7)
    return compose(rng, cast.sprites, cast.choose(rng, count), size, look)


def compose(
    rng: Rng, sprites: Sprites, wanted: list[tuple[str, str]], size: tuple[int, int], look: Look,
    sides: tuple[float, float] | None = None,
) -> Scene:  # fmt: skip
    """Places what is wanted as far as there is room; largest first, so that small ones stay in front."""
    canvas = (plain if look.bare else draw_background)(rng, *size).astype(np.float32)
    lengths = sorted((long_side(rng, sides) for _ in wanted), reverse=True)
    loose = 0.3 if rng.random() < 0.4 else 0.1  # how much of the smaller box may be covered
    placed: list[Placed] = []
    for (noun, design), share in zip(wanted, lengths, strict=True):
        sprite = halve_until(sprites[noun, design], share * max(size))
        wide = noun in COLOUR_FREE and rng.random() < look.any_hue
        looks = vary(rng, sprite, strength=look.strength, wide_hue=wide)
        drawn = pose(rng, looks, share * max(size), stretch=look.stretch, turn=look.turn)
        box = paste(rng, canvas, drawn, [p.box for p in placed], loose)
        if box is not None:
            placed.append(Placed(noun, design, box))
    pixels = np.clip(canvas, 0, 255).astype(np.uint8) if look.bare else finish(rng, canvas)
    return Scene(pixels, tuple(placed))


def long_side(rng: Rng, sides: tuple[float, float] | None) -> float:
    low, high = sides or ((0.05, SMALL) if rng.random() < SMALL_SHARE else (SMALL, 0.60))
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def paste(
    rng: Rng, canvas: Array, drawn: Array, taken: list[tuple[float, float, float, float]], loose: float
) -> tuple[float, float, float, float] | None:
    """Draws the object where it fits and returns its visible box, or None when it fits nowhere."""
    solid = drawn[..., 3] > SOLID
    if not solid.any():
        return None
    ys, xs = np.where(solid.any(1))[0], np.where(solid.any(0))[0]
    drawn = drawn[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    high, wide = drawn.shape[:2]
    height, width = canvas.shape[:2]
    for _ in range(12):
        margin = 0.3 if rng.random() < 0.15 else 0.0  # now and then cut by the border
        x = int(rng.uniform(-margin * wide, max(1.0, width - (1 - margin) * wide)))
        y = int(rng.uniform(-margin * high, max(1.0, height - (1 - margin) * high)))
        box = (float(max(x, 0)), float(max(y, 0)), float(min(x + wide, width)), float(min(y + high, height)))
        if cover(box, taken) <= loose and visible(box) >= 0.5 * high * wide:
            x0, y0, x1, y1 = (int(v) for v in box)
            blend(canvas[y0:y1, x0:x1], drawn[y0 - y : y1 - y, x0 - x : x1 - x])
            return box
    return None


def visible(box: tuple[float, float, float, float]) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def cover(box: tuple[float, float, float, float], others: list[tuple[float, float, float, float]]) -> float:
    """The largest share of the smaller of two boxes that the other covers."""
    worst = 0.0
    for other in others:
        shared = (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))
        if shared[2] > shared[0] and shared[3] > shared[1]:
            worst = max(worst, visible(shared) / max(min(visible(box), visible(other)), 1.0))
    return worst


def blend(canvas: Array, drawn: Array) -> None:
    canvas *= 1 - drawn[..., 3:] / 255
    canvas += drawn[..., :3]


def finish(rng: Rng, canvas: Array) -> Array:
    """What a camera does: light across the picture, blur, noise, JPEG."""
    height, width = canvas.shape[:2]
    if rng.random() < 0.25:
        corners = rng.uniform(0.6, 1.2, (2, 2)).astype(np.float32)
        canvas = canvas * cv2.resize(corners, (width, height))[..., None]
    if rng.random() < 0.2:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.3) * max(height, width) / 320)
    if rng.random() < 0.25:
        noise = rng.standard_normal((height, width, 1), np.float32)
        canvas = canvas + noise * rng.uniform(2, 14)
    pixels = np.clip(canvas, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
        pixels = np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return pixels
