"""A task that frozen features fail at: the same drawing, looking left or right.

The embedded embedder was made to find a drawing and its mirror image alike, so to it these are one thing each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, CropPolicy, Pixels
from recipes.nano.art import load_sprites
from recipes.nano.backgrounds import draw_background
from recipes.nano.scenes import finish, paste
from recipes.nano.sprites import halve_until, vary

SIZE = 192
SIDES = (0.4, 0.75)  # of the picture
TURN = 7.0  # degrees, standard deviation
NUDGE = 0.03  # a detector's box is off by so much on each side
DESIGNS = {"car": ("car", "fluent-3d"), "snail": ("snail", "emojione")}
POLICY = CropPolicy()


def names(designs: Sequence[str] = tuple(DESIGNS)) -> list[str]:
    return [f"{design} going {way}" for design in designs for way in ("left", "right")]


def pictures(name: str, *, seed: int) -> Iterator[tuple[Pixels, Box]]:
    """Pictures of one name without end, each with its box."""
    design, way = name.split(" going ")
    sprite = load_sprites()[DESIGNS[design]]
    sprite = np.ascontiguousarray(sprite[:, ::-1]) if way == "right" else sprite
    rng = np.random.default_rng((seed, *map(ord, name)))
    while True:
        canvas = draw_background(rng, SIZE, SIZE).astype(np.float32)
        box = paste(rng, canvas, _posed(rng, sprite), [], 0.3)
        pixels = finish(rng, canvas)
        if box is None:
            continue
        sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
        seen = Box(*map(float, np.array(box) + rng.normal(0, NUDGE, 4) * sides)).clip(SIZE, SIZE)
        if seen is not None:
            yield pixels, seen


def _posed(rng: np.random.Generator, sprite: Pixels) -> np.ndarray:
    """Scaled and turned, never mirrored. Float RGBA, premultiplied."""
    long = rng.uniform(*SIDES) * SIZE
    sprite = vary(rng, halve_until(sprite, long), strength=0.25, wide_hue=False)
    height, width = sprite.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, TURN), long / max(height, width))
    side = int(1.5 * long)
    matrix[:, 2] += [side / 2 - width / 2, side / 2 - height / 2]
    mixed = sprite.astype(np.float32)
    mixed[..., :3] *= mixed[..., 3:] / 255
    return np.asarray(cv2.warpAffine(mixed, matrix, (side, side), flags=cv2.INTER_LINEAR))


def export(folder: Path, each: int, *, seed: int, first: int = 0) -> Path:
    """An export of so many crops of each name, one a picture, as `dinolabel export crops` writes it."""
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    rows = []
    for label in names():
        for number, (pixels, box) in zip(range(each), pictures(label, seed=seed), strict=False):
            task = first + len(rows)
            crop = f"crops/{task}.png"
            PIL.Image.fromarray(cut(pixels, box, POLICY).pixels).save(folder / crop)
            sha = hashlib.sha256(f"{seed} {label} {number}".encode()).hexdigest()
            row = {"format": 1, "crop": crop, "task": task, "annotation": task, "region": f"r{task}", "box": box.xyxy, "image": sha}
            row |= {"frame": None, "verdict": "approved", "kind": "named", "label": label, "group": sha, "view": "person", "who": "1"}
            rows.append(row | {"at": "2026-11-22T12:00:00Z", "policy": asdict(POLICY)})
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return folder
