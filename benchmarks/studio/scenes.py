"""Pictures with five cat faces each, from the demo's scenes: some drawings, in as many files as there are tasks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from dinolabel.demo.world import World
from dinolabel.vision.loading.weights import NANO_FOLDER

SIZE, FACE = 448, 132
PLACES = ((8, 8), (300, 12), (158, 156), (10, 300), (302, 298))
JITTER = 6


@dataclass(frozen=True)
class Face:
    """A cut-out of the demo, who it is, and where it was."""

    name: str
    scene: str
    picture: Picture.Image


def faces(world: World) -> list[Face]:
    """Every named cat face of the demo, cut at its true box."""
    found = []
    for scene in world.scenes:
        with Picture.open(world.folder / scene.file) as picture:
            for thing in world.prompted_things(scene):
                if thing.identity is not None:
                    cut = picture.convert("RGB").crop(tuple(round(each) for each in thing.box.xyxy))
                    found.append(Face(thing.identity, scene.file, cut.resize((FACE, FACE))))
    return found


def world() -> World:
    return World.load(NANO_FOLDER / "demo")


def draw(folder: Path, count: int, *, drawings: int, seed: int = 0) -> list[Path]:
    """``count`` JPEGs in the folder, of so many different drawings in turn; those that are there are kept. Same seed, same pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    known = faces(world())
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(paths[:drawings]):
        if not path.exists():
            _scene(known, np.random.default_rng([seed, number])).save(path, quality=92)
    for number, path in enumerate(paths[drawings:], drawings):
        if not path.exists():
            shutil.copyfile(paths[number % drawings], path)
    return paths


def unseen(folder: Path, drawn: Sequence[Path], count: int) -> list[Path]:
    """``count`` files that show what others show and have bytes of their own, so that no cache knows them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(_commented(drawn[number % len(drawn)].read_bytes(), f"{folder.name} {number}"))
    return paths


def _commented(jpeg: bytes, text: str) -> bytes:
    """The same picture with a comment segment after its first marker (ITU T.81, B.2.4.5)."""
    segment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def _scene(known: Sequence[Face], chance: np.random.Generator) -> Picture.Image:
    paper = chance.integers(200, 250, 3) + chance.integers(-4, 5, (SIZE, SIZE, 1))
    scene = Picture.fromarray(paper.astype(np.uint8))
    for face, place in zip(_chosen(known, chance), PLACES, strict=True):
        scene.paste(face.picture, tuple(int(each) for each in place + chance.integers(-JITTER, JITTER + 1, 2)))
    return scene


def _chosen(known: Sequence[Face], chance: np.random.Generator) -> Iterator[Face]:
    return (known[int(each)] for each in chance.choice(len(known), len(PLACES), replace=False))
