"""Draws the backgrounds and the clutter of a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Array = npt.NDArray[Any]


def draw_background(rng: Rng, height: int, width: int) -> Array:
    """A uint8 RGB canvas from one of the families below, sometimes a blend of two."""
    canvas = FAMILIES[rng.integers(len(FAMILIES))](rng, height, width)
    if rng.random() < 0.3:
        other = FAMILIES[rng.integers(len(FAMILIES))](rng, height, width)
        canvas = cv2.addWeighted(canvas, 0.5, other, 0.5, 0.0)
    for _ in range(int(rng.integers(0, 7)) if rng.random() < 0.7 else 0):
        draw_clutter(rng, canvas)
    return canvas


def colour(rng: Rng) -> Array:
    return rng.integers(0, 256, 3).astype(np.float32)


def plain(rng: Rng, height: int, width: int) -> Array:
    return np.full((height, width, 3), colour(rng), np.uint8)


def gradient(rng: Rng, height: int, width: int) -> Array:
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR))


def blotches(rng: Rng, height: int, width: int) -> Array:
    """Low-resolution noise, enlarged smoothly or as blocks."""
    cells = int(rng.integers(3, 24))
    spread = rng.uniform(15, 110)
    coarse = np.clip(colour(rng) + rng.normal(0, spread, (cells, cells, 3)), 0, 255).astype(np.uint8)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.integers(3)]
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=how))


def fractal(rng: Rng, height: int, width: int) -> Array:
    """Several octaves of noise: stone, cloth, grass."""
    total = np.zeros((4, 4, 3), np.float32)
    for octave in range(2, 7):
        cells = 2**octave
        noise = rng.standard_normal((cells, cells, 1 if rng.random() < 0.6 else 3), np.float32)
        total = cv2.resize(total, (cells, cells), interpolation=cv2.INTER_LINEAR) + noise / octave
    tones = np.clip(colour(rng) + total * rng.uniform(10, 60), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(tones, (width, height), interpolation=cv2.INTER_LINEAR))


def stripes(rng: Rng, height: int, width: int) -> Array:
    ys, xs = np.ogrid[0:height, 0:width]
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 70)
    phase = (xs * np.cos(angle) + ys * np.sin(angle)).astype(np.float32) * np.float32(2 * np.pi / period)
    wave = np.sin(phase)
    if rng.random() < 0.4:
        wave = np.sign(wave)
    return two_tones(rng, (wave + 1) / 2)


def dots(rng: Rng, height: int, width: int) -> Array:
    """Dots or checks on a grid."""
    ys, xs = np.ogrid[0:height, 0:width]
    period = rng.uniform(10, 60)
    wave = np.sin(xs * (2 * np.pi / period)) * np.sin(ys * (2 * np.pi / period))
    return two_tones(rng, wave > rng.uniform(-0.2, 0.7))


def two_tones(rng: Rng, mix: Array) -> Array:
    """0..1 -> from one colour to another, through a table (much faster than arithmetic on every pixel)."""
    table = np.linspace(colour(rng), colour(rng), 256).astype(np.uint8)
    return table[(mix * 255).astype(np.uint8)]


def draw_clutter(rng: Rng, canvas: Array) -> None:
    """One filled shape, line or scribble that is no noun."""
    height, width = canvas.shape[:2]
    tone = tuple(int(c) for c in rng.integers(0, 256, 3))
    x, y = int(rng.integers(width)), int(rng.integers(height))
    size = int(rng.uniform(0.03, 0.25) * min(height, width)) + 2
    kind = rng.integers(4)
    thick = -1 if rng.random() < 0.6 else int(rng.integers(1, 6))
    if kind == 0:
        axes = (size, max(1, int(size * rng.uniform(0.3, 1))))
        cv2.ellipse(canvas, (x, y), axes, rng.uniform(0, 180), 0, 360, tone, thick, cv2.LINE_AA)
    elif kind == 1:
        cv2.rectangle(canvas, (x, y), (x + size, y + int(size * rng.uniform(0.3, 2))), tone, thick)
    elif kind == 2:
        points = (np.array([x, y]) + rng.normal(0, size, (int(rng.integers(3, 7)), 2))).astype(np.int32)
        cv2.fillPoly(canvas, [points], tone, cv2.LINE_AA)
    else:
        points = (np.array([x, y]) + np.cumsum(rng.normal(0, size, (6, 2)), 0)).astype(np.int32)
        cv2.polylines(canvas, [points], bool(rng.integers(2)), tone, int(rng.integers(1, 7)), cv2.LINE_AA)


FAMILIES: tuple[Callable[[Rng, int, int], Array], ...] = (
    plain, gradient, gradient, blotches, blotches, fractal, fractal, stripes, dots,
)  # fmt: skip
