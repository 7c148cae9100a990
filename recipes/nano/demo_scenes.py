"""Makes the demo's scenes: pictures with two named identities and an unknown one of the same noun, and their truth."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import cv2
import numpy as np

from recipes.nano.art import load_sprites
from recipes.nano.scenes import PLAIN_LOOK, Rng, Scene, Sprites, compose

log = logging.getLogger(__name__)

SEED = 7_000_001  # training uses small seeds, evaluation 9_000_000 and up
COUNT = 72
EMPTY_EVERY = 12  # every twelfth scene has none of the demo's noun
NOUN, GENERIC = "cat face", "cat"
NAMES = {"emojione": "tom", "noto-v1": "felix"}  # design -> what people call it
UNKNOWN = "fxemoji"  # a third design that nobody has named
SIZES = ((384, 512), (512, 384), (448, 448))  # height, width
SIDES = (0.14, 0.42)  # long side of an object as a share of the image's
QUALITY = 85


def make_demo(folder: Path) -> None:
    """Writes `folder/*.jpg` and `folder/truth.json`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sprites = load_sprites()
    images = []
    for number in range(COUNT):
        rng = np.random.default_rng((SEED, number))
        scene = compose(rng, sprites, choose_objects(rng, sprites, number), SIZES[number % 3], PLAIN_LOOK, SIDES)
        name = f"scene-{number:03d}.jpg"
        cv2.imwrite(str(folder / name), scene.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        images.append(describe(name, scene))
    truth = {"prompt": NOUN, "generic": GENERIC, "names": sorted(NAMES.values()), "images": images}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def choose_objects(rng: Rng, sprites: Sprites, number: int) -> list[tuple[str, str]]:
    """1-3 of the demo's noun in designs that take turns, and 1-3 other things, in a random order."""
    cats: list[tuple[str, str]] = []
    if number % EMPTY_EVERY != EMPTY_EVERY - 1:
        turn = [*NAMES, *NAMES, UNKNOWN]  # the named ones twice as often as the unknown one
        start = int(rng.integers(5))
        cats = [(NOUN, turn[(start + 2 * k) % 5]) for k in range(int(rng.choice([1, 2, 3], p=[0.2, 0.35, 0.45])))]
    others = [key for key in sprites if key[0] != NOUN]
    extra = [others[i] for i in rng.choice(len(others), int(rng.integers(1, 4)), replace=False)]
    if not cats and len(extra) < 2:
        extra.append(others[int(rng.integers(len(others)))])
    return cats + extra


def describe(name: str, scene: Scene) -> dict[str, object]:
    height, width = scene.pixels.shape[:2]
    objects = [
        {"noun": o.noun, "box": list(o.box), "identity": NAMES.get(o.design) if o.noun == NOUN else None,
         "design": o.design}
        for o in scene.objects
    ]  # fmt: skip
    return {"file": name, "width": width, "height": height, "objects": objects}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    make_demo(Path(__file__).resolve().parents[2] / "dinolabel" / "nano" / "demo")
