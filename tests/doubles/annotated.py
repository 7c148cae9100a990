"""A small annotated project on disk: drawn pictures, Label Studio's own JSON, and what people trip over in it."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.types import Image

WIDTH, HEIGHT = 200, 100
Box = tuple[float, float, float, float]


def xml(*labels: str, generic: str | None = "face") -> str:
    from xml.sax.saxutils import quoteattr

    tags = "".join(f"<Label value={quoteattr(label)}/>" for label in labels)
    prompt = f'<Label value="{generic}" predicted_values="human face"/>' if generic else ""
    return f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{prompt}{tags}</RectangleLabels></View>'


def region(
    identity: str, box: Box, label: str | None = None, *, rotation: float = 0.0, size: tuple[int, int] = (WIDTH, HEIGHT), **more: Any
) -> dict[str, Any]:
    """box: pixels, xyxy, of the picture of `size`; rotated clockwise by `rotation` degrees about its own top-left corner."""
    width, height = size
    value: dict[str, Any] = {"x": 100 * box[0] / width, "y": 100 * box[1] / height, "rotation": rotation}
    value |= {"width": 100 * (box[2] - box[0]) / width, "height": 100 * (box[3] - box[1]) / height}
    value |= {"rectanglelabels": [label]} if label is not None else {}
    entry = {"id": identity, "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value, "image_rotation": 0}
    return entry | {"original_width": width, "original_height": height, "origin": "manual", **more}


def corners(box: Box, rotation: float) -> list[tuple[float, float]]:
    """Of a region as Label Studio turns it: clockwise about its top-left corner, in pixels."""
    turn, (x1, y1, x2, y2) = math.radians(rotation), box
    flat = [(0, 0), (x2 - x1, 0), (x2 - x1, y2 - y1), (0, y2 - y1)]
    return [(x1 + x * math.cos(turn) - y * math.sin(turn), y1 + x * math.sin(turn) + y * math.cos(turn)) for x, y in flat]


def annotation(
    number: int, *regions: dict[str, Any], who: int = 1, shown: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    done: dict[str, Any] = {"id": number, "completed_by": who, "result": list(regions), "was_cancelled": False, "lead_time": 2.0}
    done |= {"created_at": f"2026-11-22T10:00:{number % 60:02}Z", "updated_at": f"2026-11-22T11:00:{number % 60:02}Z"}
    if shown is not None:
        done |= {"parent_prediction": number, "prediction": {"id": number, "result": shown, "model_version": "gdino-tiny.a1b2c3"}}
    return done | more


@dataclass
class Annotated:
    """folder: holds the pictures. Tasks are added with a picture each."""

    folder: Path
    labels: tuple[str, ...] = ("jason", "lacy", "unknown")
    generic: str | None = "face"
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def xml(self) -> str:
        return xml(*self.labels, generic=self.generic)

    @property
    def config(self) -> LabelConfig:
        return LabelConfig.parse(self.xml)

    def add(self, *annotations: dict[str, Any], name: str | None = None, pixels: Any = None, **data: Any) -> dict[str, Any]:
        """A task with a picture of its own; name: path below the folder."""
        number = len(self.tasks) + 1
        path = self.folder / (name or f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            drawn = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) if pixels is None else pixels
            PIL.Image.fromarray(drawn).save(path)
        address = f"/data/local-files/?d={path.relative_to(self.folder).as_posix()}"
        task = {"id": number, "inner_id": number, "data": {"image": address, **data}, "annotations": list(annotations)}
        self.tasks.append(task)
        return task

    def find(self, address: str) -> Path:
        from dinolabel.exporters.media_lookup import finder

        return finder(self.folder)(address)

    def open(self, address: str) -> Image:
        return open_image(self.find(address))

    def save(self, path: Path) -> Path:
        path.write_text(json.dumps(self.tasks), encoding="utf-8")
        path.with_suffix(".xml").write_text(self.xml, encoding="utf-8")
        return path


def age(out: Path) -> None:
    """An export as it was before exports kept lists of their files."""
    for name in (".dinolabel-files", "README.md", "classes.txt", "labelmap.txt", "crops/README.md"):
        (out / name).unlink(missing_ok=True)
    if (out / "dinolabel.report").exists():
        (out / "dinolabel.report").rename(out / "dinolabel.json")
    if (table := out / "boxes.csv").exists():
        rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
        kept = [at for at, name in enumerate(rows[0]) if name not in ("state", "unread")]
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([row[at] for at in kept] for row in rows)


def mixed(folder: Path) -> Annotated:
    """A relabelled box, a moved, a rotated, a generic, an unlabelled, a negative and a skipped picture, in two folders of equal names."""
    world = Annotated(folder)
    shown = [region("a", (10, 10, 50, 60), "face", origin="prediction"), region("b", (100, 20, 150, 70), "face", origin="prediction")]
    moved = region("b", (104.5, 22.25, 154.5, 72.25), "lacy", origin="prediction-changed")
    world.add(annotation(1, region("a", (10, 10, 50, 60), "jason", origin="prediction-changed"), moved, shown=shown), name="one/x.png")
    world.add(annotation(2, region("r", (90, 20, 130, 40), "jason", rotation=30)), name="two/x.png")
    world.add(annotation(3, region("g", (0, 0, 40, 40), "face"), region("u", (60, 0, 100, 40))), name="3.png")
    world.add(annotation(4, shown=shown), name="4.png")
    world.add(annotation(5, region("a", (10, 10, 50, 60), "jason"), was_cancelled=True), name="5.png")
    world.add(annotation(6, region("k", (150, 50, 240, 130), "unknown")), name="6.png")
    return world
