"""Videos of the demo's drawn world: a camera that moves over its scenes, on one identity at a time, with nobody else in sight.

`jason and lacy` of the embedded models: the cats tom and felix, and a third one that is called unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from dinolabel.demo.world import Scene, Thing, World
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.types import Box

SCENES = Path(__file__).resolve().parents[1] / "dinolabel" / "nano" / "demo"
WIDE, HIGH = 320, 240
SHOT = 3.0  # seconds the camera stays on one drawing
LARGEST = 0.02  # share of a stranger's box that may stick into the picture


@dataclass(frozen=True)
class Shot:
    """A drawing the camera looks at, and the windows (x1, y1, x2, y2 in pixels of the scene) it moves between."""

    scene: Scene
    thing: Thing
    start: tuple[float, float, float, float]
    end: tuple[float, float, float, float]


@cache
def world() -> World:
    return World.load(SCENES)


def shots(identity: str | None, scenes: Sequence[Scene], *, seed: int = 0) -> list[Shot]:
    """One shot of every drawing of this identity (None: the third cat) that can be shown alone."""
    rng, found = np.random.default_rng(seed), []
    for scene in scenes:
        cats = world().prompted_things(scene)
        for thing in (each for each in cats if each.identity == identity):
            others = [each.box for each in cats if each is not thing]
            windows = [each for each in (_window(rng, scene, thing.box) for _ in range(60)) if _alone(each, others)]
            if len(windows) >= 2:
                found.append(Shot(scene, thing, windows[0], windows[1]))
    return found


def part(number: int, of: int = 3) -> list[Scene]:
    """Every `of`-th scene: videos of different parts share none."""
    return [scene for at, scene in enumerate(world().scenes) if at % of == number]


def pictures(chosen: Sequence[Shot], *, rate: int = 5) -> Iterator[np.ndarray]:
    """(240, 320, 3) uint8 RGB frames of the shots one after the other, the camera moving evenly, a little noise on each."""
    rng = np.random.default_rng(7)
    for shot in chosen:
        pixels = open_image(SCENES / shot.scene.file).pixels
        steps = round(SHOT * rate)
        for step in range(steps):
            share = step / max(1, steps - 1)
            x1, y1, x2, y2 = (a + (b - a) * share for a, b in zip(shot.start, shot.end, strict=True))
            matrix = np.array([[WIDE / (x2 - x1), 0, -x1 * WIDE / (x2 - x1)], [0, HIGH / (y2 - y1), -y1 * HIGH / (y2 - y1)]])
            frame = cv2.warpAffine(pixels, matrix, (WIDE, HIGH), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
            noisy = frame.astype(np.int16) + rng.integers(-3, 4, frame.shape, dtype=np.int16)
            yield np.clip(noisy, 0, 255).astype(np.uint8)


def _window(rng: np.random.Generator, scene: Scene, box: Box) -> tuple[float, float, float, float]:
    """A 4:3 window inside the scene with the whole box in it, 1.3 to 2.6 times as large."""
    side = max(box.width / WIDE, box.height / HIGH) * rng.uniform(1.3, 2.6)
    wide, high = (min(size, limit) for size, limit in ((side * WIDE, scene.width), (side * HIGH, scene.height)))
    wide, high = min(wide, high * WIDE / HIGH), min(high, wide * HIGH / WIDE)
    left = rng.uniform(max(0.0, box.x2 - wide), max(0.0, min(box.x1, scene.width - wide)) + 1e-6)
    top = rng.uniform(max(0.0, box.y2 - high), max(0.0, min(box.y1, scene.height - high)) + 1e-6)
    return left, top, left + wide, top + high


def _alone(window: tuple[float, float, float, float], others: Sequence[Box]) -> bool:
    x1, y1, x2, y2 = window
    for each in others:
        shared = max(0.0, min(x2, each.x2) - max(x1, each.x1)) * max(0.0, min(y2, each.y2) - max(y1, each.y1))
        if shared > LARGEST * each.area:
            return False
    return True
