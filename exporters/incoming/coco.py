"""Reads COCO's detection JSON: one file, or a folder with `annotations/` as ours and most tools write it.

Crowds are left out: they are no single box. A rotated box comes back rotated when an export of ours wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporters.incoming.arriving import Arriving, ArrivingBox, ImportUnreadable, label_of, placed, read_json
from exporters.offline import finder
from studio.results import Quad
from vision.errors import MediaUnavailable


def read(path: Path, media: Path | None) -> Iterator[Arriving]:
    """media: folder with the pictures; by default the file's own `images`. Raises ImportUnreadable."""
    files = [path] if path.is_file() else sorted(path.glob("annotations/*.json")) or sorted(path.rglob("*coco*.json"))
    if not files:
        raise ImportUnreadable(f"There is no COCO file in {path}.", hint="Name the JSON file, or the folder that holds annotations/.")
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    pictures = media or (root / "images" if (root / "images").is_dir() else root)
    find = finder(pictures) if pictures.is_dir() else None
    for file in files:
        yield from _of_file(file, find)


def _of_file(file: Path, find: Any) -> Iterator[Arriving]:
    content = read_json(file)
    try:
        labels = {each["id"]: each["name"] for each in content["categories"]}
        by_image: dict[Any, list[Mapping[str, Any]]] = {}
        for each in content["annotations"]:
            by_image.setdefault(each["image_id"], []).append(each)
        for image in content["images"]:
            yield _arriving(image, by_image.get(image["id"], []), labels, find)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImportUnreadable(f"{file} is no COCO detection file: {type(error).__name__} {error}.") from error


def _arriving(image: Mapping[str, Any], entries: list[Mapping[str, Any]], labels: Mapping[Any, str], find: Any) -> Arriving:
    ours = image.get("dinolabel") or {}
    width, height = int(image["width"]), int(image["height"])
    boxes = [_box(each, labels, width, height) for each in entries if not each.get("iscrowd")]
    return Arriving(
        name=Path(str(image["file_name"])).name,
        file=_found(find, str(image["file_name"])),
        width=width,
        height=height,
        boxes=tuple(each for each in boxes if each is not None),
        task=image["id"] if ours else None,
        address=ours.get("address"),
        sha256=ours.get("sha256"),
    )


def _box(entry: Mapping[str, Any], labels: Mapping[Any, str], width: int, height: int) -> ArrivingBox | None:
    x, y, w, h = (float(number) for number in entry["bbox"])
    box = placed(x, y, x + w, y + h, width, height)
    return None if box is None else ArrivingBox(_label(entry, labels), box, _quad(entry), f"annotation {entry.get('id')}")


def _label(entry: Mapping[str, Any], labels: Mapping[Any, str]) -> str | None:
    """An export of ours says what people gave, which is nothing for a box that went out under what was looked for."""
    attributes = entry.get("attributes") or {}
    return attributes["given_label"] if "given_label" in attributes else label_of(labels[entry["category_id"]])


def _quad(entry: Mapping[str, Any]) -> Quad | None:
    """Only where the file says that the outline is a turned box: any other outline has its hull as box."""
    shapes = entry.get("segmentation")
    turned = (entry.get("attributes") or {}).get("rotated")
    if not turned or not isinstance(shapes, list) or len(shapes) != 1 or len(shapes[0]) != 8:
        return None
    x1, y1, x2, y2, x3, y3, x4, y4 = (float(number) for number in shapes[0])
    return (x1, y1), (x2, y2), (x3, y3), (x4, y4)


def _found(find: Any, name: str) -> Path | None:
    if find is None:
        return None
    try:
        return Path(find(name))
    except MediaUnavailable:
        return None
