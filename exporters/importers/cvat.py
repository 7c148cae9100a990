"""Reads CVAT's own XML, "CVAT for images 1.1": `annotations.xml`, with the pictures in `images/` where they were exported with it.

Rotation is kept; `occluded` and a label's attributes go into each box's note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.picture_search import PictureIndex
from dinolabel.exporters.importers.common.reading import ImportLog, PictureCollector, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.layouts.cvat_shapes import mark_of
from dinolabel.exporters.importers.layouts.structured_files import parse_xml, xml_files
from dinolabel.exporters.media_lookup import pieces
from dinolabel.vision.decoding.frame_sizes import Size

ROOT = "annotations"
HINT = "In CVAT choose Export dataset, CVAT for images 1.1, and Save images."


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder, or an XML file. media: folder with the pictures, when they do not lie beside. Raises ImportUnreadable."""
    reading = reading or ImportLog()
    files = [(file, root) for file in xml_files(path, ROOT) if (root := _root(file, reading, alone=path.is_file())) is not None]
    if not files:
        films = "".join(f" {each}." for each in reading.notes)
        raise ImportUnreadable(f"There is no annotations.xml of CVAT for images in {path}.{films}", hint=HINT)
    if not any(each.tag != "tag" for _, root in files for image in root.iterfind("image") for each in image):
        count = sum(len(root.findall("image")) for _, root in files)
        raise ImportUnreadable(
            f"{files[0][0]} lists {count} pictures and not one annotation of a place, so nobody can tell whether anybody looked at them.",
            hint="Export again when the pictures are annotated.",
        )
    reader = _CvatReader(PictureIndex(DatasetFolder(path if path.is_dir() else path.parent, media)), reading)
    for file, root in files:
        for image in root.iterfind("image"):
            reader.image(file, image)
    yield from reader.pictures


def recognise(path: Path) -> Recognition | None:
    """By an XML file of annotations."""
    file = next(xml_files(path, ROOT, sniff=True), None)
    return None if file is None else Recognition(f"CVAT's XML, by {file.name}")


def _root(file: Path, reading: ImportLog, *, alone: bool) -> Element | None:
    """The document, None for another tool's and for one that has only tracks. Raises ImportUnreadable for one that is cut short."""
    root = parse_xml(file)
    if isinstance(root, str):
        raise ImportUnreadable(f"{file.name}: {root}", hint=HINT)
    if root.tag != ROOT or (root.find("image") is None and root.find("track") is None):
        return None
    if root.find("image") is None:
        said = f"{file.name} is CVAT for video: its boxes are of frames of a film"
        if alone:
            raise ImportUnreadable(f"{said}.", hint="Export the task again as CVAT for images 1.1.")
        reading.note(f"{said}, and it is left out")
        return None
    return root


@dataclass
class _CvatReader:
    """pictures: by file, or by where it should be."""

    index: PictureIndex
    reading: ImportLog
    pictures: PictureCollector = field(default_factory=PictureCollector)

    def image(self, file: Path, image: Element) -> None:
        said = image.get("name", "")
        if not pieces(said):
            self.reading.refuse(f"{file.name}, image {image.get('id')}", "It has no name.")
            return
        name, subset = pieces(said)[-1], image.get("subset", "")
        images = file.parent / "images"
        places = self.index.find(said, [*([images / subset] if pieces(subset) == [subset] else []), images, file.parent])
        if len(places) > 1:
            self.reading.refuse(name, f"Several files fit {said}.", "Keep the folders that the data set names.")
            return
        place = places[0] if places else None
        key = place.resolve() if place else (file.parent, said)
        self.pictures.add(key, self.arriving(image, name, place))

    def arriving(self, image: Element, name: str, place: Path | None) -> ImportedImage | None:
        shapes = [each for each in image if each.tag != "tag"]
        if len(shapes) < len(image):
            self.reading.note("a tag of the whole picture marks no place and is left out", name)
        marks = [mark_of(each, f"image {image.get('id')} {each.tag} {at}") for at, each in enumerate(shapes, 1)]
        points = [point for each in marks if isinstance(each, ImportedMark) for point in each.points]
        frame = self.reading.frame_of(name, place, _size(image), points)
        if frame is None:
            return None
        boxes, unread = boxes_of(marks, frame)
        return ImportedImage(name, place, *frame.upright, boxes, unread=unread)


def _size(image: Element) -> Size | None:
    try:
        width, height = int(image.get("width", "")), int(image.get("height", ""))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None
