"""Reads crops: an export of ours (manifest.jsonl tells each crop's box in its picture), or a folder of pictures per class.

Without a manifest a picture is its own crop: the whole of it is the box. Folders that only tell the sides of a split are no classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinolabel.exporters.formats.crops import FORMAT
from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import rectangle
from dinolabel.exporters.importers.common.picture_search import files_by_digest
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import (
    ImportedBox,
    ImportedImage,
    ImportUnreadable,
    clip_box,
    label_of,
    size_of,
)
from dinolabel.exporters.importers.common.tables import points_of, restore_unread
from dinolabel.vision.decoding.folder_walk import is_hidden
from dinolabel.vision.decoding.pictures import SUFFIXES, image_paths
from dinolabel.vision.errors import MediaError
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Box

PARTS = frozenset({"images", "imgs", "jpegimages", "labels", "annotations", "data", "masks", "visualize"})
SHOWN = 5
SIDES = frozenset({"train", "val", "valid", "validation", "test"})


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """media: folder with the pictures that an export was cut from, found by their content. Raises ImportUnreadable."""
    reading = reading or ImportLog()
    if not path.is_dir():
        raise ImportUnreadable(f"There is no folder {path}.")
    manifest = path / "manifest.jsonl"
    if manifest.is_file():
        yield from _from_manifest(manifest, media)
        return
    folders = class_folders(path)
    if not folders:
        raise ImportUnreadable(f"{path} has no folder per class.", hint="Put each class's pictures into a folder of its name.")
    if (side := _side_among_classes(folders)) is not None:
        raise ImportUnreadable(
            f"{side} holds folders and no pictures, as a side of a split does, and lies beside other folders of {path}.",
            hint="Name the folder of one side, or put the others' pictures into a side too; a class keeps its pictures in its own folder.",
        )
    inside = DatasetFolder(path, media)
    for loose in _loose_pictures(path):
        reading.refuse(loose.relative_to(path).as_posix(), "It lies in no folder of a class.", "Put it into one.")
    for folder in folders:
        for file in image_paths(folder):
            if (arriving := _whole_picture(file, folder.name, inside, reading)) is not None:
                yield arriving


def recognise(path: Path) -> Recognition | None:
    """By our manifest; else by folders with pictures, none of which is called as a part of a data set is."""
    if (path / "manifest.jsonl").is_file():
        return Recognition("crops, by manifest.jsonl")
    folders = class_folders(path) if path.is_dir() else []
    if len(folders) == 1 and _is_wrapper(folders[0]):
        return None
    if not folders or _loose_pictures(path) or any(each.name.casefold() in PARTS or not image_paths(each) for each in folders):
        return None
    names = join_names(sorted({each.name for each in folders}))
    return Recognition(f"a folder of pictures per class: {names}", sure=False)


def _is_wrapper(folder: Path) -> bool:
    """Whether the only folder is more likely the data set than a class: its pictures lie in folders."""
    return bool(_folders(folder)) and not any(each.suffix.lower() in SUFFIXES for each in folder.iterdir())


def join_names(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def class_folders(path: Path) -> list[Path]:
    """A folder per class: those of a folder, or those in its `train`, `val`, … where it holds nothing but these."""
    folders = _folders(path)
    return [each for side in folders for each in _folders(side)] if _is_split(folders) else folders


def _side_among_classes(folders: list[Path]) -> str | None:
    """A folder that is called as a side and looks like one, beside others that are none: its classes would all be called `train`."""
    named = [] if _is_split(folders) else folders
    return next((each.name for each in named if each.name.casefold() in SIDES and _is_wrapper(each)), None)


def _is_split(folders: list[Path]) -> bool:
    return bool(folders) and all(each.name.casefold() in SIDES for each in folders)


def _folders(path: Path) -> list[Path]:
    return [each for each in sorted(path.iterdir()) if each.is_dir() and not is_hidden(each.name)]


def _loose_pictures(path: Path) -> list[Path]:
    """Pictures beside the class folders: of which class they are nobody said."""
    folders = _folders(path)
    places = [path, *(folders if _is_split(folders) else [])]
    return [
        each
        for place in places
        for each in sorted(place.iterdir())
        if each.is_file() and each.suffix.lower() in SUFFIXES and not is_hidden(each.name)
    ]


def _whole_picture(file: Path, label: str, inside: DatasetFolder, reading: ImportLog) -> ImportedImage | None:
    name = f"{label}/{file.name}"
    if not inside.holds(file):
        reading.refuse(name, "It is a link to a file outside of the folder.", "Copy the file, or name its folder with --media.")
        return None
    try:
        width, height = size_of(file)
    except MediaError as error:
        reading.refuse(name, str(error), error.hint)
        return None
    return ImportedImage(file.name, file, width, height, (ImportedBox(label_of(label), Box(0, 0, width, height), None, name),))


def _from_manifest(manifest: Path, media: Path | None) -> Iterator[ImportedImage]:
    files = files_by_digest(media) if media else {}
    tasks: dict[int, list[dict[str, Any]]] = {}
    try:
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = parse_json(line)
            if row["format"] != FORMAT:
                raise ImportUnreadable(f"{manifest} has format {row['format']}; this dinolabel reads {FORMAT}.", hint="Update dinolabel.")
            if row["verdict"] == "approved" and row["view"] == "person":
                tasks.setdefault(row["task"], []).append(row)
        for task, rows in tasks.items():
            file = files.get(rows[0]["image"])
            read = [(row, _box(row)) for row in rows]
            boxes = [
                ImportedBox(row["label"], box, rectangle(points_of(row.get("quad"))), row["crop"]) for row, box in read if box is not None
            ]
            name = file.name if file else rows[0]["image"]
            unread = tuple(restore_unread(rows[0].get("unread")))
            yield ImportedImage(
                name, file, rows[0]["width"], rows[0]["height"], tuple(boxes), task=task, sha256=rows[0]["image"], unread=unread
            )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ImportUnreadable(f"{manifest} is no manifest of ours: {type(error).__name__} {error}.") from error


def _box(row: dict[str, Any]) -> Box | None:
    x1, y1, x2, y2 = (float(each) for each in row["box"])
    return clip_box(x1, y1, x2, y2, int(row["width"]), int(row["height"]))
