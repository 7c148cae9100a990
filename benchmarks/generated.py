"""An export of any size as a busy project would give it: predictions, corrections, several people, skipped and empty pictures.

Written task by task, so that making it takes no memory either. Seeded: the same arguments give the same bytes.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from dinolabel.studio.label_configs.label_config import build
from tests.doubles.annotated import region

WIDTH, HEIGHT = 320, 240
NAMES = ("jason", "lacy", "maria", "tom")
VERSIONS = ("gdino-tiny.a1b2c3", "gdino-tiny.dinov2-s.4c.9f8e7d", "gdino-tiny.dinov2-s.4c.77aa01")
RIGHT = (0.0, 0.75, 0.93)  # share of predicted names that are right, by version
DRAWN = 200  # pictures that differ; the others are links to them


def generate(folder: Path, *, tasks: int, boxes: int) -> tuple[Path, Path, Path]:
    """Export, label config and pictures below `folder`. boxes: in each picture, on average."""
    media = folder / "media"
    media.mkdir(parents=True)
    for number in range(tasks):
        path = media / f"{number:06}.jpg"
        if number < DRAWN:
            _draw(number, path)
        else:
            os.link(media / f"{number % DRAWN:06}.jpg", path)
    export, config = folder / "export.json", folder / "config.xml"
    config.write_text(build({"human face": "face"}, NAMES))
    dice = random.Random(0)
    with export.open("w") as file:
        for number in range(tasks):
            task = _task(number, VERSIONS[min(2, 3 * number // tasks)], RIGHT[min(2, 3 * number // tasks)], boxes, dice)
            file.write(("[" if number == 0 else ",\n") + json.dumps(task))
        file.write("]")
    return export, config, media


def _draw(number: int, path: Path) -> None:
    noise = np.random.default_rng(number).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).resize((WIDTH, HEIGHT)).save(path, quality=85)


def _task(number: int, version: str, right: float, boxes: int, dice: random.Random) -> dict[str, Any]:
    shown, kept = [], []
    for at in range(0 if dice.random() < 0.05 else dice.randint(1, 2 * boxes - 1)):
        x, y = dice.uniform(0, WIDTH - 45), dice.uniform(0, HEIGHT - 45)
        box, name = (x, y, x + 40, y + 40), NAMES[dice.randrange(4)]
        guess = name if dice.random() < right else "face"
        begun = region(f"{number}-{at}", box, guess, size=(WIDTH, HEIGHT), score=0.8)
        begun.pop("origin")
        chance = dice.random()
        if chance > 0.04:  # else: missed by the detector
            shown.append(begun)
        if chance < 0.04:
            kept.append(region(f"new{number}-{at}", box, name, size=(WIDTH, HEIGHT)))
        elif chance < 0.12:
            continue  # deleted
        elif chance < 0.2:
            moved = (x + 4, y + 3, x + 44, y + 43)
            kept.append(region(f"{number}-{at}", moved, name, size=(WIDTH, HEIGHT), origin="prediction-changed", score=0.8))
        else:
            origin = "prediction" if guess == name else "prediction-changed"
            kept.append(region(f"{number}-{at}", box, name, size=(WIDTH, HEIGHT), origin=origin, score=0.8))
    done = {"id": number + 1, "completed_by": 1 + number % 3, "result": kept, "was_cancelled": number % 50 == 49, "lead_time": 4.2}
    done |= {"created_at": _time(number), "updated_at": _time(number), "parent_prediction": number + 1}
    done |= {"prediction": {"id": number + 1, "result": shown, "model_version": version, "score": 0.8}}
    address = f"/data/local-files/?d=media/{number:06}.jpg"
    return {"id": number + 1, "inner_id": number + 1, "data": {"image": address}, "annotations": [done], "predictions": [number + 1]}


def _time(number: int) -> str:
    return f"2026-11-{1 + number // 86400:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000000Z"
