"""Drawn scenes with their truth, as pictures that a student is taught from; kept in .cache, drawn once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from dinolabel.training.distillation.distil import Teacher
from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Box, Detection, Thresholds
from recipes.nano import demo_scenes
from recipes.nano.art import TRAIN_VENDORS, UNSEEN_VENDOR, load_sprites
from recipes.nano.scenes import PLAIN_LOOK, Sprites, compose

HOME = Path(__file__).resolve().parents[2] / ".cache" / "distil-bench"
DEMO = NANO_FOLDER / "demo"
TEACHER = NANO_FOLDER / "detector"
OTHERS, FRESH = 72, 300
SEEDS = {"cat others": 7_100_001, "cat fresh": 7_200_001, "owl": 7_300_001, "candy": 7_400_001}  # the demo's are 7_000_001
SETS = {"cat others": OTHERS, "cat fresh": FRESH, "owl": 144, "candy": 144}


@dataclass(frozen=True)
class Drawn:
    """rows: with their true boxes. found: what the teacher finds in each, by key."""

    rows: tuple[LabelledPicture, ...]
    found: dict[str, list[Detection]]


def draw(name: str) -> Path:
    """A folder of scenes and truth.json. Of owl and candy all designs are the vendor's that nobody trained on."""
    folder = HOME / name.replace(" ", "-")
    if (folder / "truth.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    noun = demo_scenes.NOUN if name.startswith("cat") else name
    sprites = load_sprites() if name.startswith("cat") else load_sprites((*TRAIN_VENDORS, UNSEEN_VENDOR))
    images = []
    for number in range(SETS[name]):
        rng = np.random.default_rng((SEEDS[name], number))
        wanted = demo_scenes.choose_objects(rng, sprites, number) if name.startswith("cat") else _others(rng, sprites, number, noun)
        scene = compose(rng, sprites, wanted, demo_scenes.SIZES[number % 3], PLAIN_LOOK, demo_scenes.SIDES)
        file = f"{number:03d}.jpg"
        cv2.imwrite(str(folder / file), scene.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, demo_scenes.QUALITY])
        images.append(demo_scenes.describe(file, scene))
    (folder / "truth.json").write_text(json.dumps({"prompt": noun, "images": images}), encoding="utf-8")
    return folder


def _others(rng: np.random.Generator, sprites: Sprites, number: int, noun: str) -> list[tuple[str, str]]:
    """As demo_scenes.choose_objects, for another noun, in the unseen vendor's drawings."""
    unseen = [key for key in sprites if key[1].startswith(UNSEEN_VENDOR.name)]
    own = [key for key in unseen if key[0] == noun]
    count = 0 if number % demo_scenes.EMPTY_EVERY == demo_scenes.EMPTY_EVERY - 1 else int(rng.choice([1, 2, 3], p=[0.2, 0.35, 0.45]))
    others = [key for key in unseen if key[0] != noun]
    extra = [others[each] for each in rng.choice(len(others), int(rng.integers(1, 4)), replace=False)]
    return [own[int(rng.integers(len(own)))] for _ in range(count)] + extra


def teacher(noun: str) -> Teacher:
    cache = Cache(HOME / "cache.sqlite", max_mb=500)
    return Teacher(Pipeline.load("nano", None, cache=cache), TEACHER, {noun: noun}, Thresholds())


def read(folder: Path, asked: Teacher, *, keep: Sequence[int] | None = None) -> Drawn:
    """Scenes of a folder (of these numbers), with what the teacher finds."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    noun, rows, found = truth["prompt"], [], {}
    images = truth["images"] if keep is None else [truth["images"][each] for each in keep]
    for image in images:
        boxes = tuple(Box(*each["box"]) for each in image["objects"] if each["noun"] == noun)
        path = folder / image["file"]
        key = f"{folder.name}/{image['file']}"
        row = LabelledPicture(path, key, image["width"], image["height"], key, boxes, (noun,) * len(boxes))
        row, found[key] = asked.proposals(row)
        rows.append(replace(row, width=image["width"], height=image["height"]))
    return Drawn(tuple(rows), found)
