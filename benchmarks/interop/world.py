"""A project to export: pictures of several formats and sizes, boxes at fractions of pixels, hard labels; and the truth, by other code than
ours."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import PIL.Image

LABELS = ("jason", "lacy", "train", "mia test", "a, b", "null", "1.0", "2024-05-01", 'O\'Brien <x> "q"', "Fuchs 🦊", "李雷")
KINDS = ("jpg", "png", "webp", "jpg turned")
PICTURES = 36
NEGATIVE = 9  # each ninth picture is one that people left empty
Truth = dict[int, list[tuple[str, float, float, float, float]]]


def label_config() -> str:
    tags = "".join(f"<Label value={quoteattr(each)}/>" for each in LABELS)
    return f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{tags}</RectangleLabels></View>'


def is_webp(task: int) -> bool:
    return KINDS[task % len(KINDS)] == "webp"


def make(folder: Path) -> Truth:
    """export.json, labels.xml and pictures/ in a folder; the boxes of each task: label and corners in pixels of the upright picture."""
    random = np.random.default_rng(11)
    (folder / "pictures").mkdir(parents=True)
    tasks, truth = [], {}
    for number in range(1, PICTURES + 1):
        width, height = (int(each) for each in random.integers(160, 420, 2))
        name = _picture(folder / "pictures", number, width, height, random)
        count = 0 if number % NEGATIVE == 0 else int(random.integers(1, 4))
        regions = [_region(f"r{at}", width, height, random, turned=at == 2) for at in range(count)]
        tasks.append(_task(number, name, regions))
        truth[number] = [(each["value"]["rectanglelabels"][0], *_hull(each)) for each in regions]
    (folder / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    (folder / "labels.xml").write_text(label_config(), encoding="utf-8")
    return truth


def _picture(folder: Path, number: int, width: int, height: int, random: np.random.Generator) -> str:
    kind = KINDS[number % len(KINDS)]
    name = f"IMG {number}.{kind.split()[0]}"
    small = random.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    picture, more = PIL.Image.fromarray(small).resize((width, height)), {}
    if kind == "jpg turned":
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        picture, more = picture.transpose(PIL.Image.Transpose.ROTATE_90), {"exif": exif}
    picture.save(folder / name, **more)
    return name


def _region(identity: str, width: int, height: int, random: np.random.Generator, *, turned: bool) -> dict[str, Any]:
    x, y = random.uniform(0, 60, 2)
    value = {"x": x, "y": y, "width": random.uniform(10, 38), "height": random.uniform(10, 38), "rotation": 20.0 if turned else 0.0}
    value |= {"rectanglelabels": [str(random.choice(LABELS))]}
    entry = {"id": identity, "from_name": "label", "to_name": "image", "type": "rectanglelabels", "origin": "manual", "value": value}
    return entry | {"original_width": width, "original_height": height, "image_rotation": 0}


def _task(number: int, name: str, regions: list[dict[str, Any]]) -> dict[str, Any]:
    moment = "2026-11-30T00:00:00.000000Z"
    done = {"id": number, "completed_by": 1, "was_cancelled": False, "lead_time": 3.0, "result": regions}
    stored = f"{number:08x}-{name.replace(' ', '_')}"  # as Label Studio calls an upload
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/{stored}"},
        "annotations": [done | {"created_at": moment, "updated_at": moment}],
        "predictions": [],
    }


def _hull(region: dict[str, Any]) -> tuple[float, float, float, float]:
    """Label Studio turns a box clockwise about its top-left corner, in pixels; what lies outside of the picture is cut off."""
    value, width, height = region["value"], region["original_width"], region["original_height"]
    x, y, w, h = (value[name] / 100 * side for name, side in zip(("x", "y", "width", "height"), (width, height) * 2, strict=True))
    turn = math.radians(value["rotation"])
    flat = ((0, 0), (w, 0), (w, h), (0, h))
    corners = [(x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn)) for a, b in flat]
    xs, ys = zip(*corners, strict=True)
    return max(min(xs), 0.0), max(min(ys), 0.0), min(max(xs), float(width)), min(max(ys), float(height))
