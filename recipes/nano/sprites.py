"""Turns one sprite into one of its many possible looks: colour, shape, outline, light.

Only six vendors draw the training art, so this is where variety comes from.
"""

from __future__ import annotations

import cv2
import numpy as np

from recipes.nano.backgrounds import Array, Rng


def vary(rng: Rng, sprite: Array, *, strength: float, wide_hue: bool) -> Array:
    """An RGBA copy; `strength` 0 leaves only mild light and shape changes, 1 is for training."""
    rgb = sprite[..., :3].astype(np.float32)
    alpha = sprite[..., 3]
    rgb = light(rng, rgb)
    if rng.random() < 0.75 * strength:
        rgb = tint(rng, rgb, wide=wide_hue)
    if rng.random() < 0.12 * strength:
        rgb = drain(rng, rgb)
    if rng.random() < 0.2 * strength:
        rgb = flatten(rng, rgb)
    looks = with_alpha(rgb, alpha)
    if rng.random() < 0.25 * strength:
        looks = outline(rng, looks)
    if rng.random() < 0.3 * strength:
        looks = bend(rng, looks)
    return looks


def with_alpha(rgb: Array, alpha: Array) -> Array:
    joined = np.empty((*alpha.shape, 4), np.uint8)
    joined[..., :3] = np.clip(rgb, 0, 255)
    joined[..., 3] = alpha
    return joined


def light(rng: Rng, rgb: Array) -> Array:
    """Contrast, brightness, sometimes a shade across the object."""
    if rng.random() < 0.6:
        rgb = (rgb - 128) * rng.uniform(0.7, 1.25) + 128 + rng.uniform(-30, 30)
    if rng.random() < 0.25:
        corners = rng.uniform(0.65, 1.25, (2, 2)).astype(np.float32)
        rgb = rgb * cv2.resize(corners, (rgb.shape[1], rgb.shape[0]))[..., None]
    return rgb


def tint(rng: Rng, rgb: Array, *, wide: bool) -> Array:
    """Turns the hue (a rotation about the grey axis) and stretches saturation."""
    angle = rng.uniform(-np.pi, np.pi) if wide else rng.normal(0, 0.13)
    cos, third = np.cos(angle), (1 - np.cos(angle)) / 3
    root = np.sin(angle) / np.sqrt(3)
    turned = np.array([[cos + third, third - root, third + root],
                     [third + root, cos + third, third - root],
                     [third - root, third + root, cos + third]], np.float32)  # fmt: skip
    saturation = rng.uniform(0.55, 1.35)
    stretch = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) / 3
    gains = np.diag(rng.normal(1, 0.06, 3))
    return np.asarray(cv2.transform(rgb, (turned @ stretch @ gains).T))


def drain(rng: Rng, rgb: Array) -> Array:
    """Greyscale, wholly or nearly."""
    grey = rgb.mean(2, keepdims=True)
    keep = rng.uniform(0, 0.4)
    return np.asarray(grey + keep * (rgb - grey))


def flatten(rng: Rng, rgb: Array) -> Array:
    """Few tones, as a flat drawing has."""
    step = rng.uniform(30, 80)
    return (np.floor(rgb / step) + 0.5) * step


def outline(rng: Rng, sprite: Array) -> Array:
    """A stroke around the silhouette, and sometimes along the inner edges as well."""
    thick = max(1, round(rng.uniform(0.015, 0.045) * max(sprite.shape[:2])))
    padded = cv2.copyMakeBorder(sprite, thick, thick, thick, thick, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    ink = np.full(3, rng.uniform(0, 70) if rng.random() < 0.7 else 250, np.float32)
    alpha = padded[..., 3].astype(np.float32) / 255
    grown = cv2.dilate(padded[..., 3], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thick + 1, 2 * thick + 1)))
    rgb = padded[..., :3] * alpha[..., None] + ink * (1 - alpha[..., None])
    if rng.random() < 0.5:
        grey = cv2.cvtColor(padded[..., :3], cv2.COLOR_RGB2GRAY)
        edges = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(np.float32)
        line = np.clip((edges - 40) / 60, 0, 1)[..., None] * 0.8
        rgb = rgb * (1 - line) + ink * line
    return with_alpha(rgb, grown)


def bend(rng: Rng, sprite: Array) -> Array:
    """A smooth elastic warp."""
    height, width = sprite.shape[:2]
    reach = rng.uniform(0.02, 0.06) * max(height, width)
    field = (rng.normal(0, reach, (4, 4, 2))).astype(np.float32)
    shift = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    bent = cv2.remap(
        sprite, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0)
    )
    return np.asarray(bent)


def pose(rng: Rng, sprite: Array, long_side: float, *, stretch: float, turn: float) -> Array:
    """Scaled, stretched, sheared, turned and flipped. Float RGBA, premultiplied."""
    height, width = sprite.shape[:2]
    scale = long_side / max(height, width)
    sx, sy = scale * np.exp(rng.normal(0, stretch / 2)), scale * np.exp(rng.normal(0, stretch / 2))
    if rng.random() < 0.5:
        sx = -sx
    angle, shear = rng.normal(0, turn), rng.normal(0, stretch / 2)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotate @ np.array([[1, shear], [0, 1]]) @ np.diag([sx, sy])
    corners = linear @ np.array([[0, width, width, 0], [0, 0, height, height]], float)
    low, high = corners.min(1) - 1, corners.max(1) + 1
    size = np.ceil(high - low).astype(int)
    matrix = np.column_stack([linear, -low]).astype(np.float32)
    # Weighted by alpha while it is resampled: transparent pixels' colours must not bleed into the edge.
    mixed = sprite.astype(np.float32)
    mixed[..., :3] *= mixed[..., 3:] / 255
    return np.asarray(cv2.warpAffine(mixed, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR))


def halve_until(sprite: Array, long_side: float) -> Array:
    """Halved until at most twice the wanted size, so that bilinear sampling does not alias."""
    while max(sprite.shape[:2]) > 2 * long_side and min(sprite.shape[:2]) > 8:
        sprite = cv2.resize(sprite, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return sprite
