"""Reads face regions that photo managers wrote: in XMP sidecars (`a.jpg.xmp`, `a.xmp`) and inside the pictures.

A picture without a region does not arrive: nobody said that nothing is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.picture_search import PictureIndex
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.layouts.xmp_regions import XmpRegions, read_regions
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.pictures import SUFFIXES
from dinolabel.vision.images.embedded_xmp import read_embedded_xmp

LOOKED_AT = 200
"""Files that are read to tell what a folder is."""
PICASA = ".picasa.ini"
WITHOUT = "without a face region: left out, for nobody said that nothing is in them"


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: a folder of photos or of sidecars, or one file. media: folder with the pictures of sidecars. Raises ImportUnreadable."""
    reading = reading or ImportLog()
    if not path.exists():
        raise ImportUnreadable(f"There is no file or folder {path}.")
    files = list(folder_walk.files(path)) if path.is_dir() else [path]
    inside = DatasetFolder(path if path.is_dir() else path.parent, media)
    found = _Sidecars(inside, reading).read([each for each in files if each.suffix.lower() == ".xmp"])
    without, arrived = 0, False
    for picture in [*found, *(each for each in files if each.suffix.lower() in SUFFIXES and each not in found)]:
        regions = found.get(picture) or _embedded(picture, inside, reading)
        if regions is None or not regions.marks:
            without += regions is not None
        elif (arriving := _image(picture, regions, reading)) is not None:
            arrived = True
            yield arriving
    if not arrived and not reading.refused:
        said = f"There is no face region in {path}: neither in {len(files)} files nor in sidecars."
        if path.is_dir() and any(each.name.casefold() == PICASA for each in path.rglob("*.ini")):
            raise ImportUnreadable(f"{said} The faces in {PICASA} are not read.", hint="Let Picasa, or digiKam, write them to XMP first.")
        raise ImportUnreadable(said)
    if without:
        reading.note(f"{without} pictures {WITHOUT}")


def recognise(path: Path) -> Recognition | None:
    """By a region in one of the first sidecars, or a name in one of the first pictures: where nothing else says what a folder is."""
    files = list(folder_walk.files(path)) if path.is_dir() else [path]
    sidecars = [each for each in files if each.suffix.lower() == ".xmp"][:LOOKED_AT]
    pictures = [each for each in files if each.suffix.lower() in SUFFIXES][:LOOKED_AT]
    for file in (*sidecars, *pictures):
        try:
            marks = read_regions([file.read_bytes()] if file in sidecars else read_embedded_xmp(file), file.name).marks
        except (OSError, ValueError):
            continue
        if any(file in sidecars or (isinstance(each, ImportedMark) and each.label is not None) for each in marks):
            return Recognition(f"face regions of a photo manager, by {file.name}", sure=False)
    return None


class _Sidecars:
    def __init__(self, inside: DatasetFolder, reading: ImportLog) -> None:
        self._inside, self._reading, self._index = inside, reading, PictureIndex(inside)

    def read(self, sidecars: list[Path]) -> dict[Path, XmpRegions]:
        """The regions of each picture that has a sidecar with some; `a.jpg.xmp` counts before `a.xmp`."""
        found: dict[Path, XmpRegions] = {}
        for sidecar in sorted(sidecars, key=lambda each: (Path(each.stem).suffix.lower() not in SUFFIXES, each)):
            try:
                regions = read_regions([sidecar.read_bytes().strip(b"\0\r\n\t ")], sidecar.name)
            except (OSError, ValueError) as error:
                self._reading.refuse(sidecar.name, f"It cannot be read: {error}.")
                continue
            if not regions.marks:
                continue
            picture = self._picture(sidecar)
            if picture is not None:
                found.setdefault(picture, regions)
        return found

    def _picture(self, sidecar: Path) -> Path | None:
        """None where there is none, or more than one, which is said."""
        beside = self._index.paired(sidecar, sidecar.stem, [sidecar.parent])
        if beside is not None:
            return beside
        places = self._elsewhere(sidecar.relative_to(self._inside.root).with_suffix("").as_posix())
        if len(places) == 1:
            return places[0]
        why = "Several files fit it." if places else "Its picture is not here."
        self._reading.refuse(sidecar.name, why, "Name the folder that holds the pictures with --media.")
        return None

    def _elsewhere(self, name: str) -> list[Path]:
        """Files that a sidecar's name may mean, in any folder; `a` may be a.jpg or a.PNG."""
        if Path(name).suffix.lower() in SUFFIXES:
            return self._index.find(name, [])
        variants = (f"{name}{variant}" for suffix in SUFFIXES for variant in (suffix, suffix.upper()))
        return list(dict.fromkeys(found for each in variants for found in self._index.find(each, [])))


def _embedded(picture: Path, inside: DatasetFolder, reading: ImportLog) -> XmpRegions | None:
    """What a picture itself holds; None where that is refused."""
    if not inside.holds(picture):
        return None
    try:
        return read_regions(read_embedded_xmp(picture), picture.name)
    except ValueError as error:
        reading.refuse(picture.name, f"It cannot be read: {error}.")
        return None


def _image(picture: Path, regions: XmpRegions, reading: ImportLog) -> ImportedImage | None:
    frame = reading.frame_of_stored(picture.name, picture, regions.size)
    if frame is None:
        return None
    width, height = frame.size
    pixels = [
        replace(each, points=tuple((x * width, y * height) for x, y in each.points)) if isinstance(each, ImportedMark) else each
        for each in regions.marks
    ]
    boxes, unread = boxes_of(pixels, frame)
    return ImportedImage(
        picture.name, picture, *frame.upright, boxes, unread=unread, looked_at=bool(unread) or any(each.verified for each in boxes)
    )
