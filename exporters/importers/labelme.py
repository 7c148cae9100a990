"""Reads labelme's JSON, a file per picture, and X-AnyLabeling's, which is the same with shapes of its own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common import temporary_folder
from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.picture_search import PictureIndex
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable, read_json
from dinolabel.exporters.importers.layouts.labelme_shapes import mark_of
from dinolabel.exporters.media_lookup import pieces
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.frame_sizes import Size

Json = Mapping[str, Any]
FOLDERS = ("images", "Images", "JPEGImages")
LOOKED_AT = 20
"""Files that are read to tell what a folder is."""
HINT = "Name the folder that holds the JSON files."


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder, or one JSON file. media: folder with the pictures, when they do not lie beside. Raises ImportUnreadable."""
    reading, number = reading or ImportLog(), 0
    index = PictureIndex(DatasetFolder(path if path.is_dir() else path.parent, media))
    for file in _files(path):
        try:
            content = read_json(file)
        except ImportUnreadable as error:
            if path.is_dir() and not _looks_like(file):
                continue
            number += 1
            reading.refuse(file.name, str(error), "Mend the file, or save it again with the tool that wrote it.")
            continue
        if not is_labelme(content):
            continue
        number += 1
        if (arriving := _image(file, content, index, reading)) is not None:
            yield arriving
    if not number:
        raise ImportUnreadable(f"There is no JSON file of labelme or X-AnyLabeling in {path}.", hint=HINT)


def recognise(path: Path) -> Recognition | None:
    """By one of the first JSON files."""
    if path.is_file() and path.suffix.lower() != ".json":
        return None
    for file in _files(path)[:LOOKED_AT]:
        try:
            if is_labelme(read_json(file)):
                return Recognition(f"labelme or X-AnyLabeling, by {file.name}")
        except ImportUnreadable:
            continue
    return None


def is_labelme(content: Any) -> bool:
    """Whether a JSON file's content is a picture with shapes, as labelme and X-AnyLabeling write it."""
    return isinstance(content, Mapping) and isinstance(content.get("shapes"), list) and ("imagePath" in content or "imageHeight" in content)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ImportUnreadable(f"There is no file or folder {path}.", hint=HINT)
    return [each for each in folder_walk.files(path) if each.suffix.lower() == ".json"]


def _looks_like(file: Path) -> bool:
    """Of a file that is cut short, or of no encoding that is read."""
    try:
        return b'"shapes"' in file.read_bytes().replace(b"\0", b"")
    except OSError:
        return False


def _image(file: Path, content: Json, index: PictureIndex, reading: ImportLog) -> ImportedImage | None:
    said = str(content.get("imagePath") or "")
    name = pieces(said)[-1] if pieces(said) else f"{file.stem}.jpg"
    folders = [file.parent, *(file.parent.parent / each for each in FOLDERS), *(file.parent / each for each in FOLDERS)]
    picture = index.paired(file, said, folders)
    if picture is None:
        found = index.find(said or name, folders)
        if len(found) > 1:
            reading.refuse(name, f"Several files fit {said}.", "Keep the folders that the data set names.")
            return None
        picture = found[0] if found else _inside(content, name)
    marks = [mark_of(each, f"{file.name} shape {at}") for at, each in enumerate(content["shapes"], 1)]
    points = [point for each in marks if isinstance(each, ImportedMark) for point in each.points]
    frame = reading.frame_of(picture.name if picture else name, picture, _size(content), points)
    if frame is None:
        return None
    boxes, unread = boxes_of(marks, frame)
    return ImportedImage(picture.name if picture else name, picture, *frame.upright, boxes, unread=unread)


def _inside(content: Json, name: str) -> Path | None:
    """The picture that the file itself holds, as labelme keeps it unless it is told otherwise."""
    data = content.get("imageData")
    if not isinstance(data, str) or not data:
        return None
    try:
        return temporary_folder.write(temporary_folder.new_folder(), name, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return None


def _size(content: Json) -> Size | None:
    """What the file says, None when it says none."""
    try:
        width, height = int(content["imageWidth"]), int(content["imageHeight"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
