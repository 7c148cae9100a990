"""Contact sheets of the demo: scenes as the words found them, as the reviewer named them, as the head names them. Knows only pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from dinolabel.demo.play import Played
from dinolabel.demo.score import Labelled
from dinolabel.demo.world import Scene, World
from vision.draw import draw
from vision.media import open_image
from vision.types import Detection, Pixels

CELL = 360
GAP = 16
HEADING = 44
PAPER = (250, 250, 248)
INK = (32, 33, 36)


def save(played: Played, world: World, out: Path) -> dict[str, Path]:
    """Write before.jpg, after.jpg and loop.png; returns name -> path."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = _telling(world)
    before = [_drawn(world, scene, played.before[scene.file]) for scene in chosen[:12]]
    after = [_drawn(world, scene, played.after[scene.file]) for scene in chosen[:12]]
    paths = {"before": out / "before.jpg", "after": out / "after.jpg", "loop": out / "loop.png"}
    _sheet(before, columns=4).save(paths["before"], quality=88)
    _sheet(after, columns=4).save(paths["after"], quality=88)
    _loop(played, world, chosen).save(paths["loop"], optimize=True)
    return paths


def _telling(world: World) -> list[Scene]:
    """Unseen scenes, those with the most different identities first: they show most."""

    def kinds(scene: Scene) -> int:
        return len({thing.identity for thing in world.wanted(scene)})

    return sorted(world.unseen, key=lambda scene: (-kinds(scene), scene.file))


def _loop(played: Played, world: World, chosen: Sequence[Scene]) -> Picture.Image:
    """Three columns: boxes from words and names by a person (on reviewed scenes), names by the head (on unseen ones)."""
    reviewed = sorted(world.reviewed, key=lambda scene: (-len({thing.identity for thing in world.wanted(scene)}), scene.file))[:2]
    truth = {scene.file: [Labelled(thing.box, thing.identity or world.prompt) for thing in world.wanted(scene)] for scene in reviewed}
    cells: list[Pixels] = []
    for seen, fresh in zip(reviewed, chosen[:2], strict=True):
        cells += [
            _drawn(world, seen, played.before[seen.file]),
            _drawn(world, seen, truth[seen.file]),
            _drawn(world, fresh, played.after[fresh.file]),
        ]
    return _sheet(cells, columns=3, headings=(f"1  “{world.prompt}” finds", "2  a person names", "3  new pictures, named"))


def _drawn(world: World, scene: Scene, labelled: Sequence[Labelled]) -> Pixels:
    pixels = open_image(world.folder / scene.file).pixels
    return draw(pixels, [Detection(each.box, each.label, 1.0) for each in labelled], lambda detection: detection.phrase, scores=False)


def _sheet(cells: Sequence[Pixels], *, columns: int, headings: Sequence[str] = ()) -> Picture.Image:
    rows = -(-len(cells) // columns)
    top = HEADING if headings else 0
    sheet = Picture.new("RGB", (columns * (CELL + GAP) + GAP, rows * (CELL + GAP) + GAP + top), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        pen.text((GAP + column * (CELL + GAP), GAP), heading, fill=INK, font=ImageFont.load_default(24))
    for index, cell in enumerate(cells):
        picture = Picture.fromarray(_fitted(cell))
        x = GAP + index % columns * (CELL + GAP) + (CELL - picture.width) // 2
        y = GAP + top + index // columns * (CELL + GAP) + (CELL - picture.height) // 2
        sheet.paste(picture, (x, y))
    return sheet


def _fitted(pixels: Pixels) -> Pixels:
    scale = CELL / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
