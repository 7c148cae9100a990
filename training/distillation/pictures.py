"""Pictures with boxes from a folder in COCO's format: what `dinolabel export coco` writes, or anybody's."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinolabel.training.errors import PicturesUnreadable
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Box

LOOKED_AT = "looked at"
GENERIC, NAMED, UNKNOWN = "generic", "named", "unknown"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif"})


@dataclass(frozen=True)
class LabelledPicture:
    """path: the file. key: sha256 of its bytes. width, height: pixels, upright. group: stays on one side of every split.

    boxes, labels: what people approved, pixels. crowds: boxes that stand for many. It was looked at: what has no box is not there.
    """

    path: Path
    key: str
    width: int
    height: int
    group: str
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    crowds: tuple[Box, ...] = ()


@dataclass(frozen=True)
class LabelledPictures:
    """rows: in order of their files. kinds: category -> `named`, `generic` or another word where the writer says so. digest: of it all."""

    rows: tuple[LabelledPicture, ...]
    kinds: Mapping[str, str]
    digest: str
    left_out: int = 0


def read(folder: Path) -> LabelledPictures:
    """Every picture that was looked at. left_out: those undecided or untouched. Raises PicturesUnreadable."""
    lists = [(path, card) for path in _lists(folder) if (card := _card(path)) is not None]
    if not lists:
        raise PicturesUnreadable(f"There is no COCO file in {folder}.")
    places = _PictureFiles(folder)
    rows, kinds, left_out = list[LabelledPicture](), dict[str, str](), 0
    for path, card in lists:
        try:
            names = {each["id"]: str(each["name"]) for each in card["categories"]}
            kinds |= {str(each["name"]): str(each.get("supercategory", "")) for each in card["categories"]}
            marks = defaultdict(list)
            for each in card["annotations"]:
                marks[each["image_id"]].append(each)
            for entry in card["images"]:
                if entry.get("dinolabel", {}).get("state", LOOKED_AT) != LOOKED_AT:
                    left_out += 1
                    continue
                rows.append(_picture(entry, marks[entry["id"]], names, places, path))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PicturesUnreadable(f"{path} makes no sense as COCO: {type(error).__name__} {error}.") from error
    rows.sort(key=lambda row: (row.key, row.path.name))
    whole = [(row.key, row.group, [each.xyxy for each in row.boxes], row.labels) for row in rows]
    return LabelledPictures(tuple(rows), kinds, hashlib.sha256(json.dumps(whole).encode()).hexdigest(), left_out)


def unlabelled(files: Sequence[Path], *, but: Sequence[LabelledPicture]) -> Iterator[LabelledPicture]:
    """Files that are none of these pictures, each once; sizes come with the pixels."""
    known = {each.key for each in but}
    for path in files:
        if path.suffix.lower() in SUFFIXES and path.is_file() and (key := sha256_of_file(path)) not in known:
            known.add(key)
            yield LabelledPicture(path, key, 0, 0, key)


def _lists(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return sorted({*folder.glob("*.json"), *(folder / "annotations").glob("*.json"), *folder.glob("*/_annotations.coco.json")})


def _card(path: Path) -> dict[str, Any] | None:
    """The file's content where it is a COCO list of boxes."""
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PicturesUnreadable(f"{path} cannot be read: {error}.") from error
    return content if isinstance(content, dict) and {"images", "annotations", "categories"} <= set(content) else None


class _PictureFiles:
    """Where the pictures of a data set lie: file names are relative to a folder that COCO does not say."""

    def __init__(self, root: Path) -> None:
        self._root = root if root.is_dir() else root.parent
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str, beside: Path) -> Path:
        side = beside.stem.removeprefix("instances_")
        near = [self._root / "images" / side, self._root / side, self._root / "images", beside.parent, self._root]
        for path in (each / name for each in near):
            if path.is_file():
                return path
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in self._root.rglob("*"):
                if path.suffix.lower() in SUFFIXES:
                    self._by_name[path.name].append(path)
        found = self._by_name.get(Path(name).name, [])
        if len(found) != 1:
            raise PicturesUnreadable(f"The picture {name} of {beside.name} is {'not there' if not found else 'there several times'}.")
        return found[0]


def _picture(
    entry: Mapping[str, Any], marks: Sequence[Mapping[str, Any]], names: Mapping[Any, str], places: _PictureFiles, of: Path
) -> LabelledPicture:
    width, height = int(entry["width"]), int(entry["height"])
    path, ours = places.find(str(entry["file_name"]), of), entry.get("dinolabel", {})
    key = str(ours.get("sha256") or sha256_of_file(path))
    boxes, labels, crowds = list[Box](), list[str](), list[Box]()
    for each in marks:
        x, y, wide, high = map(float, each["bbox"])
        box = Box(x, y, x + wide, y + high).clip(width, height) if wide > 0 and high > 0 else None
        if box is None:
            continue
        if each.get("iscrowd"):
            crowds.append(box)
        else:
            boxes.append(box)
            labels.append(names[each["category_id"]])
    return LabelledPicture(path, key, width, height, str(ours.get("group") or key), tuple(boxes), tuple(labels), tuple(crowds))
