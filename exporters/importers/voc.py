"""Reads PASCAL VOC: an XML file per picture, in `Annotations/` beside `JPEGImages/`, or beside the pictures as labelImg writes them.

Corners are counted from 1 (VOC2012 devkit, 4.1), except in a file with a corner at 0 or with decimals, and by Label Studio. An export of
ours has exact ones beside. `occluded`, `truncated`, `difficult` and attributes go into each box's note.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from dinolabel.exporters.importers.common import tables
from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of, corners
from dinolabel.exporters.importers.common.picture_search import PictureFinder, PictureIndex
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import Attributes, ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.layouts.structured_files import begins_with, parse_xml, xml_files
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.frame_sizes import Point, Size

ROOT = "annotation"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FOLDERS = ("JPEGImages", "images", "Images")


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the data set's folder, its Annotations, or one file. media: folder with the pictures. Raises ImportUnreadable."""
    every = folder_walk.files(path) if path.is_dir() else [path]
    roots = [(file, parse_xml(file)) for file in every if file == path or file.suffix.lower() == ".xml"]
    if not any(root.tag == ROOT if isinstance(root, Element) else begins_with(file, ROOT) for file, root in roots):
        raise ImportUnreadable(f"There is no PASCAL VOC file in {path}.", hint="Name the folder that holds Annotations/, or its XML files.")
    near, reading = PictureFinder(media), reading or ImportLog()
    index = PictureIndex(DatasetFolder(_root(path), media))
    for file, root in roots:
        if isinstance(root, str):
            reading.refuse(file.name, root, "Mend the file, or save it again with the tool that wrote it.")
        elif root.tag == ROOT and (arriving := _image(file, root, index, near, reading)) is not None:
            yield arriving


def recognise(path: Path) -> Recognition | None:
    """By an XML file of one annotation."""
    file = next(xml_files(path, ROOT, sniff=True), None)
    return None if file is None else Recognition(f"PASCAL VOC, by {file.name}")


def _image(file: Path, root: Element, index: PictureIndex, near: PictureFinder, reading: ImportLog) -> ImportedImage | None:
    said, digest = _text(root, "filename"), _text(root, "source/sha256") or None
    ours = _text(root, "source/database") == "dinolabel"
    picture = _picture(file, said, digest, index, near)
    first, objects = _first(root), root.findall("object")
    marks = [_object(each, f"{file.name} object {at}", first) for at, each in enumerate(objects, 1)]
    points = [point for each in marks if isinstance(each, ImportedMark) for point in each.points]
    name = PurePosixPath(said.replace("\\", "/")).name or (picture.name if picture else file.stem)
    frame = reading.frame_of(name, picture, _size(root), points, seen_upright=ours)
    if frame is None:
        return None
    boxes, unread = boxes_of(marks, frame)
    before = [{name: _text(each, name) for name in ("region", "kind", "why")} for each in root.findall("unread")]
    return ImportedImage(
        name=name,
        file=picture,
        width=frame.upright[0],
        height=frame.upright[1],
        boxes=boxes,
        task=_task(_text(root, "source/annotation")) if ours else None,
        address=(_text(root, "source/image") or None) if ours else None,
        sha256=digest if ours else None,
        unread=(*tables.restore_unread(before), *unread),
        looked_at=_text(root, "state") != "untouched",
    )


def _root(path: Path) -> Path:
    """The data set's own folder, which holds Annotations/ where that folder or a file of it was named."""
    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name == "Annotations" else folder


def _picture(file: Path, said: str, digest: str | None, index: PictureIndex, near: PictureFinder) -> Path | None:
    """Beside the XML file, or in the folders that lie beside Annotations/; else anywhere in the data set, or in the folder of --media."""
    folders = [file.parent, *(file.parent.parent / each for each in FOLDERS if file.parent.name == "Annotations")]
    name = PurePosixPath(said.replace("\\", "/")).name or f"{file.stem}.jpg"
    here = index.paired(file, said, folders) or near.find(name, digest)
    if here is None and not digest:
        found = index.find(said or name, folders)
        here = found[0] if len(found) == 1 else None
    return here


def _size(root: Element) -> Size | None:
    """What the file says, None when it says none: tools leave it empty, or 0."""
    width, height = (int(_number(_text(root, f"size/{name}")) or 0) for name in ("width", "height"))
    return (width, height) if width > 0 and height > 0 else None


def _object(entry: Element, source: str, first: int) -> ImportedMark | Unread:
    facts: dict[str, Any] = {name: _text(entry, name) for name in ("verdict", "score")}
    facts["label"] = (entry.findtext("name") or "").strip() or None
    given = {"given_label": entry.findtext("given_label")} if entry.find("exact") is not None else {}
    turned, placed = entry.find("robndbox"), _corners(entry, first=first)
    quad = tables.points_of(_text(entry, "quad").split()) or (() if turned is None else _rotation_quad(turned))
    if placed is None and len(quad) == 4:
        xs, ys = zip(*quad, strict=True)
        placed = [min(xs), min(ys), max(xs), max(ys)]
    if placed is None or len(entry.findall("bndbox")) > 1:
        return Unread(source, "object", "it has several bndbox" if placed else "it has no bndbox with four numbers")
    mark = tables.mark({**facts, **given, **dict(zip(("x1", "y1", "x2", "y2"), placed, strict=True)), "quad": quad, "source": source})
    return replace(mark, attributes=_attributes(entry)) if isinstance(mark, ImportedMark) else mark


def _corners(entry: Element, *, first: int) -> list[float] | None:
    """Pixels, xyxy. What an export of ours wrote exactly counts while nobody moved the whole pixels beside it."""
    values = [_number(_text(entry, f"bndbox/{name}")) for name in CORNERS]
    if any(each is None for each in values):
        return None
    x1, y1, x2, y2 = (each or 0.0 for each in values)
    exact = [_number(each) for each in _text(entry, "exact").split()]
    if len(exact) == 4 and None not in exact:
        left, top, right, bottom = (each or 0.0 for each in exact)
        if [math.floor(left) + 1, math.floor(top) + 1, math.ceil(right), math.ceil(bottom)] == [x1, y1, x2, y2]:
            return [left, top, right, bottom]
    return [x1 - first, y1 - first, x2, y2]


def _first(root: Element) -> int:
    """What the first pixel is called. Decimals are places and no pixels (datumaro, CVAT); Label Studio writes places without them."""
    if _text(root, "owner/name") == "Label Studio":
        return 0
    corners = [_text(each, f"bndbox/{name}") for each in root.findall("object") for name in CORNERS]
    lowest = [_number(each) for each in corners]
    return 0 if any("." in each for each in corners) or any(each is not None and each < 1 for each in lowest) else 1


def _attributes(entry: Element) -> Attributes:
    """What is set, and what datumaro and CVAT note as name and value."""
    known = tuple((name, "") for name in ("occluded", "truncated", "difficult") if _text(entry, name) == "1")
    return (*known, *((_text(each, "name"), _text(each, "value")) for each in entry.iterfind("attributes/attribute")))


def _rotation_quad(entry: Element) -> tuple[Point, ...]:
    """roLabelImg's box: middle, size, and an angle in radians, clockwise."""
    values = [_number(_text(entry, name)) for name in ("cx", "cy", "w", "h", "angle")]
    if any(each is None for each in values):
        return ()
    x, y, width, height, angle = (each or 0.0 for each in values)
    return corners(x - width / 2, y - height / 2, width, height, degrees=math.degrees(angle))


def _task(text: str) -> int | None:
    word, _, number = text.partition(" ")
    return int(number) if word == "task" and number.isdecimal() else None


def _text(entry: Element, path: str) -> str:
    return (entry.findtext(path) or "").strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
