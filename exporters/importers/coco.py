"""Reads COCO's detection JSON: one file, or a folder with them, as ours, CVAT, Label Studio, Roboflow, FiftyOne and datumaro write it.

What several files say of one picture is put together before anything is said of it. A rotated box comes back rotated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.picture_search import PictureFinder, PictureIndex
from dinolabel.exporters.importers.common.reading import ImportLog, PictureCollector, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage
from dinolabel.exporters.importers.common.tables import restore_unread
from dinolabel.exporters.importers.layouts.coco_annotations import id_text, mark_of
from dinolabel.exporters.importers.layouts.coco_files import CocoFile, Json, coco_like_files, detection_files, image_id
from dinolabel.exporters.media_lookup import pieces
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Size


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """media: folder with the pictures; by default they are looked for in the data set's own folder. Raises ImportUnreadable."""
    reading = reading or ImportLog()
    files = detection_files(path, reading)
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    reader = _CocoReader(DatasetFolder(root, media), reading)
    for file in files:
        reader.file(file)
    yield from reader.pictures


def recognise(path: Path) -> Recognition | None:
    """By a JSON file that lists images, annotations and categories."""
    file = next(coco_like_files(path), None)
    return None if file is None else Recognition(f"COCO, by {file.name}")


@dataclass
class _CocoReader:
    """pictures: by file, or by where it should be."""

    inside: DatasetFolder
    reading: ImportLog
    pictures: PictureCollector = field(default_factory=PictureCollector)

    def file(self, file: CocoFile) -> None:
        if file.strays:
            self.reading.note(f"{file.path.name}: {file.strays} annotations are of no picture that it lists")
        for number, (image, entries) in enumerate(file.pictures()):
            said = _file_name(image)
            if not pieces(said):
                self.reading.refuse(f"{file.path.name}, image {number}", "It has no file_name.")
                continue
            self.picture(file, {**image, "file_name": said}, entries)

    def picture(self, file: CocoFile, image: Json, entries: list[Json]) -> None:
        name = pieces(image["file_name"])[-1]
        places = self.own(file, image) if _ours(image) else self.index.find(image["file_name"], self.near(file))
        if len(places) > 1:
            self.reading.refuse(name, f"Several files fit {image['file_name']}.", "Keep the folders that the data set names.")
            return
        place = places[0] if places else None
        # what an export of ours calls two tasks are two, though their pictures are equal
        key = (place.resolve() if place else (file.path.parent, image["file_name"]), id_text(image.get("id")) if _ours(image) else None)
        self.pictures.add(key, self.arriving(file, image, entries, name, place))

    def arriving(self, file: CocoFile, image: Json, entries: list[Json], name: str, place: Path | None) -> ImportedImage | None:
        marks: list[ImportedMark | Unread] = [each for entry in entries if (each := mark_of(entry, file.labels)) is not None]
        if file.strays and not entries:  # whose they are nobody knows, so it may be this one's
            marks = [
                Unread("an annotation", "no picture", f"{file.path.name} has annotations of no picture that it lists, perhaps of this one")
            ]
        if marks and not file.ours and image_id(image) in file.doubled:
            why = f"{file.path.name} has several pictures of the id {image_id(image)}, and does not say whose its annotations are"
            marks = [Unread("an annotation", "doubled id", why)]
        points = [point for each in marks if isinstance(each, ImportedMark) for point in each.points]
        frame = self.reading.frame_of(name, place, _size(image), points, seen_upright=file.upright)
        if frame is None:
            return None
        boxes, unread = boxes_of(marks, frame)
        ours = _ours(image)
        task = image["id"] if ours and isinstance(image.get("id"), int) else None
        width, height = frame.upright
        marked, looked_at = (*restore_unread(ours.get("unread")), *unread), ours.get("state") != "untouched"
        return ImportedImage(name, place, width, height, boxes, task, ours.get("address"), ours.get("sha256"), marked, looked_at)

    def own(self, file: CocoFile, image: Json) -> list[Path]:
        """Of an export of ours: beside it, else by the address and content that it remembers; it may be nowhere, for its task is known."""
        beside, ours = self.index.beside(image["file_name"], self.near(file)), _ours(image)
        place = beside[0] if len(beside) == 1 else self.remembered.find(str(ours.get("address")), ours.get("sha256"))
        return [] if place is None else [place]

    def near(self, file: CocoFile) -> list[Path]:
        """Folders of the data set where a file's pictures lie: near the JSON file first, for sides have pictures of equal names."""
        path, side = file.path.parent, file.path.stem.partition("_")[2]
        own = path.parent if path.name == "annotations" else path
        return [path, *([own / "images" / side, own / side] if side else []), own / "images", own / "data", own]

    @cached_property
    def index(self) -> PictureIndex:
        return PictureIndex(self.inside)

    @cached_property
    def remembered(self) -> PictureFinder:
        return PictureFinder(self.inside.media)


def _file_name(image: Any) -> str:
    """What it is called, else where it was: LVIS has addresses only. "" for what is no picture."""
    names = [image.get("file_name"), image.get("coco_url")] if isinstance(image, Mapping) else []
    return next((each for each in names if isinstance(each, str) and each), "")


def _ours(image: Json) -> Json:
    """What an export of ours remembers of a picture."""
    found = image.get("dinolabel")
    return found if isinstance(found, Mapping) else {}


def _size(image: Json) -> Size | None:
    """What the file says, None when it says none: tools leave it empty, or 0."""
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
