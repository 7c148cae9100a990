"""Reads a YOLO data set: `data.yaml`, and for each picture a text file of the same name in `labels` instead of `images`.

Lines of five numbers are upright boxes, lines of nine are oriented ones; others are refused, for they mean something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporters.incoming.arriving import Arriving, ArrivingBox, ImportUnreadable, label_of, placed, size_of
from vision.errors import MediaUnavailable
from vision.media import image_paths


def read(path: Path, media: Path | None) -> Iterator[Arriving]:
    """path: the folder of data.yaml, or the file. media: where `images` lies when it is not beside it. Raises ImportUnreadable."""
    file = path if path.is_file() else path / "data.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        names = content["names"]
        labels = {int(number): str(name) for number, name in (names.items() if isinstance(names, dict) else enumerate(names))}
        folders = [each for side in ("train", "val", "test") for each in _listed(content.get(side))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ImportUnreadable(f"{file} is no data.yaml of YOLO: {error}.") from error
    root = media or file.parent / str(content.get("path") or "")
    for folder in dict.fromkeys(folders):
        try:
            pictures = image_paths(root / folder)
        except MediaUnavailable:
            continue  # a side that a data set lacks
        for picture in pictures:
            yield _arriving(picture, labels)


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _arriving(picture: Path, labels: dict[int, str]) -> Arriving:
    width, height = size_of(picture)
    text = _label_file(picture)
    lines = text.read_text(encoding="utf-8").splitlines() if text.is_file() else []
    boxes = [_box(line, labels, width, height, f"{text.name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return Arriving(picture.name, picture, width, height, tuple(each for each in boxes if each is not None))


def _label_file(picture: Path) -> Path:
    parts = list(picture.parts)
    last = max((at for at, part in enumerate(parts) if part == "images"), default=None)
    if last is not None:
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _box(line: str, labels: dict[int, str], width: int, height: int, source: str) -> ArrivingBox | None:
    try:
        number, *shares = line.split()
        label = label_of(labels[int(number)])
        values = [float(each) for each in shares]
    except (ValueError, KeyError) as error:
        raise ImportUnreadable(f"{source} makes no sense: {line[:60]!r}.") from error
    if len(values) == 4:
        x, y, w, h = (each * side for each, side in zip(values, (width, height) * 2, strict=True))
        box = placed(x - w / 2, y - h / 2, x + w / 2, y + h / 2, width, height)
        return None if box is None else ArrivingBox(label, box, None, source)
    if len(values) == 8:
        return _oriented(label, [each * side for each, side in zip(values, (width, height) * 4, strict=True)], width, height, source)
    raise ImportUnreadable(f"{source} has {len(values)} numbers after the class; boxes have 4, oriented ones 8.")


def _oriented(label: str | None, at: list[float], width: int, height: int, source: str) -> ArrivingBox | None:
    xs, ys = at[0::2], at[1::2]
    box = placed(min(xs), min(ys), max(xs), max(ys), width, height)
    if box is None:
        return None
    upright = math.isclose(ys[0], ys[1], abs_tol=0.01) and math.isclose(xs[0], xs[3], abs_tol=0.01) and xs[1] > xs[0]
    first, second, third, fourth = zip(xs, ys, strict=True)
    return ArrivingBox(label, box, None if upright else (first, second, third, fourth), source)
