"""Contact sheets of the demo: scenes as the words found them, as the reviewer named them, as the head names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Picture

from dinolabel.contact_sheet import sheet
from dinolabel.demo.play import DemoResult
from dinolabel.demo.score import LabelledPrediction
from dinolabel.demo.world import Scene, World
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.images.annotation import draw
from dinolabel.vision.images.colours import assign_colours
from dinolabel.vision.types import Detection, Pixels


def save(played: DemoResult, world: World, out: Path) -> dict[str, Path]:
    """Write before.jpg, after.jpg and loop.png; returns name -> path."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = _telling(world)
    before = [_drawn(world, scene, played.before[scene.file]) for scene in chosen[:12]]
    after = [_drawn(world, scene, played.after[scene.file]) for scene in chosen[:12]]
    paths = {"before": out / "before.jpg", "after": out / "after.jpg", "loop": out / "loop.png"}
    sheet(before, columns=4).save(paths["before"], quality=88)
    sheet(after, columns=4).save(paths["after"], quality=88)
    _loop(played, world, chosen).save(paths["loop"], optimize=True)
    return paths


def _telling(world: World) -> list[Scene]:
    """Unseen scenes, those with the most different identities first: they show most."""

    def kinds(scene: Scene) -> int:
        return len({thing.identity for thing in world.prompted_things(scene)})

    return sorted(world.unseen, key=lambda scene: (-kinds(scene), scene.file))


def _loop(played: DemoResult, world: World, chosen: Sequence[Scene]) -> Picture.Image:
    """Three columns: boxes from words and names by a person (on reviewed scenes), names by the head (on unseen ones)."""
    reviewed = sorted(world.reviewed, key=lambda scene: (-len({thing.identity for thing in world.prompted_things(scene)}), scene.file))[:2]
    truth = {
        scene.file: [LabelledPrediction(thing.box, thing.identity or world.prompt) for thing in world.prompted_things(scene)]
        for scene in reviewed
    }
    cells: list[Pixels] = []
    for seen, fresh in zip(reviewed, chosen[:2], strict=True):
        cells += [
            _drawn(world, seen, played.before[seen.file]),
            _drawn(world, seen, truth[seen.file]),
            _drawn(world, fresh, played.after[fresh.file]),
        ]
    return sheet(cells, columns=3, headings=(f"1  “{world.prompt}” finds", "2  a person names", "3  new pictures, named"))


def _drawn(world: World, scene: Scene, labelled: Sequence[LabelledPrediction]) -> Pixels:
    pixels = open_image(world.folder / scene.file).pixels
    found = [Detection(each.box, each.label, 1.0) for each in labelled]
    return draw(pixels, found, lambda detection: detection.phrase, scores=False, colours=assign_colours([world.prompt], world.names))
