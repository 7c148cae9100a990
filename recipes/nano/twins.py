"""Makes twins: designs made out of a design, that the embedder must keep apart from it.

Six vendors draw few designs of a noun; a twin that differs from its original in one respect only is a harder rival than any of
them. A twin is the same in every run: its chance is seeded with (noun, design, kind).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from recipes.nano.art import SHADED
from recipes.nano.backgrounds import Array, Rng
from recipes.nano.scenes import Sprites
from recipes.nano.sprites import with_alpha

COLOURFUL = 0.2  # mean saturation below which another hue would be the same drawing
HALF_TURN = 74  # of OpenCV's 180 hues
LIGHTNESS = 0.45  # how much lightness counts beside colour where a drawing is taken apart
PIXELS = 4000  # of a drawing, enough to find its colours
SAME = 4.0  # mean change (of 255) below which a twin would be the same drawing
SIZABLE = (0.08, 0.6)  # shares of a drawing that its one changed colour may have


def recoloured(rng: Rng, sprite: Array) -> Array | None:
    """All hues turned by the same angle."""
    hsv = hues(sprite)
    if hsv[solid(sprite)][:, 1].mean() / 255 < COLOURFUL:
        return None
    hsv[..., 0] = (hsv[..., 0].astype(int) + HALF_TURN) % 180
    return with_alpha(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), sprite[..., 3])


def one_recoloured(rng: Rng, sprite: Array) -> Array | None:
    """One of its two largest colours is another one."""
    which, drawn = colours(rng, sprite, 4), solid(sprite)
    shares = np.bincount(which[drawn], minlength=4) / drawn.sum()
    large = [colour for colour in np.argsort(shares)[::-1] if SIZABLE[0] < shares[colour] < SIZABLE[1]][:2]
    if not large:
        return None
    chosen = which == large[int(rng.integers(len(large)))]
    mask = cv2.GaussianBlur(chosen.astype(np.float32), (0, 0), 1)[..., None]
    rgb = sprite[..., :3].astype(np.float32)
    return with_alpha(rgb * (1 - mask) + another_colour(rng, sprite, chosen & drawn) * mask, sprite[..., 3])


def another_colour(rng: Rng, sprite: Array, here: Array) -> Array:
    """The whole sprite with its hue turned; where it has no colour `here`, it is given one."""
    hsv = hues(sprite)
    _, saturation, brightness = hsv[here].mean(0)
    if saturation / 255 > COLOURFUL:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(35, 145)) % 180
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)
    rgb = sprite[..., :3].astype(np.float32)
    colour = cv2.cvtColor(np.array([[[rng.integers(180), 190, 220]]], np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    return np.asarray(rgb * colour / 255 if brightness > 128 else rgb + colour * 0.7)


def flattened(rng: Rng, sprite: Array) -> Array | None:
    """Its shading taken off: six colours, each everywhere the same."""
    which, drawn = cv2.medianBlur(colours(rng, sprite, 6).astype(np.uint8), 5), solid(sprite)
    rgb = sprite[..., :3].astype(np.float32)
    flat = rgb.copy()
    for colour in range(6):
        inside = (which == colour) & drawn
        if inside.any():
            flat[which == colour] = rgb[inside].mean(0)
    return with_alpha(flat, sprite[..., 3]) if np.abs(flat - rgb)[drawn].mean() > SAME else None


def shaded(rng: Rng, sprite: Array) -> Array | None:
    """Shading put on: a round edge lit from one side, mostly from above, and a slope of light across."""
    height, width = sprite.shape[:2]
    reach = rng.uniform(0.05, 0.12) * max(height, width)
    from_edge = cv2.distanceTransform(solid(sprite).astype(np.uint8), cv2.DIST_L2, 5)
    relief = np.sqrt(1 - (1 - np.clip(from_edge / reach, 0, 1)) ** 2).astype(np.float32) * reach
    down, right = np.gradient(cv2.GaussianBlur(relief, (0, 0), 1 + reach / 6))
    angle = rng.uniform(-np.pi, 0) if rng.random() < 0.8 else rng.uniform(0, np.pi)
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    across = (columns * np.cos(angle) + rows * np.sin(angle)) * rng.uniform(0.1, 0.3)
    towards = -(right * np.cos(angle) + down * np.sin(angle)) * rng.uniform(0.25, 0.5)
    light = (np.clip(towards, -0.45, 0.45) + across)[..., None]
    rgb = sprite[..., :3].astype(np.float32)
    return with_alpha(np.where(light > 0, rgb + (255 - rgb) * np.minimum(light, 0.6), rgb * (1 + light)), sprite[..., 3])


def solid(sprite: Array) -> Array:
    return np.asarray(sprite[..., 3] > 128)


def hues(sprite: Array) -> Array:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(sprite[..., :3]), cv2.COLOR_RGB2HSV))


def colours(rng: Rng, sprite: Array, count: int) -> Array:
    """(H, W) numbers below `count`: which of the drawing's colours each pixel has, by k-means on smoothed Lab."""
    smooth = cv2.bilateralFilter(np.ascontiguousarray(sprite[..., :3]), 7, 40, 5)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32) * np.array([LIGHTNESS, 1, 1], np.float32)
    pixels = lab[solid(sprite)]
    some = pixels[rng.permutation(len(pixels))[:PIXELS]]
    cv2.setRNGSeed(int(rng.integers(1, 2**30)))
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    _, _, centres = cv2.kmeans(some, count, None, until, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return np.asarray(((lab[..., None, :] - centres) ** 2).sum(-1).argmin(-1))


KINDS: dict[str, Callable[[Rng, Array], Array | None]] = {
    "hue": recoloured, "part": one_recoloured, "flat": flattened, "shaded": shaded,
}  # fmt: skip

EASY = ("hue",)  # told from their original at a glance; a network that begins with all kinds learns much more slowly


def original_of(design: str) -> str:
    """The design that this one was made out of; an original's is itself."""
    return design.partition("+")[0]


def is_easy(design: str) -> bool:
    """An original, or a twin that is EASY to tell from it."""
    return design.partition("+")[2] in ("", *EASY)


def with_twins(sprites: Sprites) -> Sprites:
    """Adds each design's twins as designs of their own, save those that would hardly differ."""
    grown = dict(sprites)
    for (noun, design), sprite in sprites.items():
        for kind, make in KINDS.items():
            if kind == "shaded" and design == SHADED:
                continue
            twin = make(np.random.default_rng([*map(ord, noun + design + kind)]), sprite)
            if twin is not None:
                grown[noun, f"{design}+{kind}"] = twin
    return grown
