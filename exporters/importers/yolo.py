"""Reads a YOLO data set, whichever tool wrote it: the classes, and for each picture a text file of the same name.

A line that cannot be used costs its picture the word that nothing else is in it, and no more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dinolabel.exporters.importers.common.containment import DatasetFolder
from dinolabel.exporters.importers.common.marks import ImportedMark, boxes_of
from dinolabel.exporters.importers.common.reading import ImportLog, Recognition
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable, read_text
from dinolabel.exporters.importers.layouts.yolo_dataset import CLASS_LISTS, YoloDataset, find_description, has_label_lines, read_dataset
from dinolabel.exporters.importers.layouts.yolo_lines import mark_of
from dinolabel.exporters.importers.layouts.yolo_memory import YoloMemory
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.decoding.frame_sizes import Size

SHOWN = 3
WITHOUT = "no label file, so nothing is in it, as YOLO trainers take it"
STRAY = "a label file of no picture that comes"
LEFT = "No picture of its folder has a label file, so nobody can tell whether anybody looked at it."


def read(path: Path, media: Path | None, reading: ImportLog | None = None) -> Iterator[ImportedImage]:
    """path: the folder, or its data.yaml, obj.data or classes.txt. media: where pictures lie when they are not in it.

    A data set names nothing outside its folder. Raises ImportUnreadable, also when not one line or label file can be used.
    """
    reading = reading or ImportLog()
    memory = YoloMemory.of(path if path.is_dir() else path.parent)
    found = read_dataset(path, None if memory.pictures else media)
    texts = _label_files(found)
    if not memory.pictures:
        _check(found, texts)
        for missing in found.missing:
            reading.note(f"{missing}, so that side does not come")
        for each in _untaken(found, texts):
            if each.name not in CLASS_LISTS and has_label_lines(each):
                reading.note(STRAY, each.name)
    yield from _images(found, texts, reading, memory)
    yield from _images_elsewhere(found, reading, memory, media)


def recognise(path: Path) -> Recognition | None:
    """By its data.yaml or obj.data; by a class list where there are label files too."""
    file = find_description(path)
    return None if file is None else Recognition(f"YOLO, by {file.name}")


def _check(found: YoloDataset, texts: dict[Path, Path]) -> None:
    root = found.inside.root
    if not found.pictures and not found.gone:
        why = "; ".join(found.missing) or f"there is no picture in {found.inside.media or root}"
        raise ImportUnreadable(f"0 pictures: {why}.", hint="Name the folder that holds the pictures with --media.")
    if found.pictures and not texts:
        first = found.pictures[0]
        sought = next(_label_file(first, found.inside))
        raise ImportUnreadable(
            f"No label file found: not one of {len(found.pictures)} pictures in {root} has any; for {first.name}, {sought} is not there.",
            hint="Put the label files into `labels` beside `images`, or next to the pictures.",
        )


def _images_elsewhere(found: YoloDataset, reading: ImportLog, memory: YoloMemory, media: Path | None) -> Iterator[ImportedImage]:
    """Pictures that an export of ours left out (`--pictures none`)."""
    read = _YoloReader(found, reading, memory)
    for each in memory.others(found.inside.root, media):
        if (arriving := read.one(each.name, each.file, each.text, each.size)) is not None:
            yield arriving


def _images(found: YoloDataset, texts: dict[Path, Path], reading: ImportLog, memory: YoloMemory) -> Iterator[ImportedImage]:
    labelled = {each.parent for each in texts}
    read = _YoloReader(found, reading, memory)
    pictures = [each for picture in found.pictures if (each := read.picture(picture, texts.get(picture), labelled)) is not None]
    if read.bad and not read.good:
        first = "; ".join(f"{each.region}: {each.why}" for each in read.bad[:SHOWN])
        raise ImportUnreadable(f"Not one of {len(read.bad)} lines can be read: {first}.", hint="See docs/exports.md for what is read.")
    yield from pictures
    yield from (ImportedImage(each, None, 0, 0, ()) for each in found.gone)


@dataclass
class _YoloReader:
    """good, bad: boxes that were read, and lines that give none, of all label files."""

    found: YoloDataset
    reading: ImportLog
    memory: YoloMemory
    good: int = 0
    bad: list[Unread] = field(default_factory=list)

    def picture(self, picture: Path, text: Path | None, labelled: set[Path]) -> ImportedImage | None:
        if text is None and self.found.beside:
            return None
        if text is None and picture.parent not in labelled:
            self.reading.refuse(picture.name, LEFT, "Give it an empty label file if nothing is in it.")
            return None
        return self.one(picture.name, picture, text, None)

    def one(self, name: str, picture: Path | None, text: Path | None, size: Size | None) -> ImportedImage | None:
        """size: as far as it is known without the picture."""
        marks = self.marks(text) if text is not None else []
        upright = self.found.upright or not marks or name in self.memory.pictures
        frame = self.reading.frame_of(name, picture, size, [], seen_upright=upright)
        if frame is None:
            return None
        if text is None:
            self.reading.note(WITHOUT, name)
        width, height = frame.size
        scaled = self.memory.exact(name, [_scale(each, width, height) for each in marks])
        boxes, unread = boxes_of(scaled, frame)
        self.good += len(boxes)
        self.bad += unread
        return self.memory.complete(ImportedImage(name, picture, *frame.upright, boxes, unread=unread))

    def marks(self, text: Path) -> list[ImportedMark | Unread]:
        try:
            lines = read_text(text).splitlines()
        except ImportUnreadable as error:
            return [Unread(text.name, "no text", str(error).removesuffix("."))]
        return [
            mark_of(line, self.found.labels, f"{text.name} line {number}", keypoints=self.found.keypoints)
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]


def _scale(mark: ImportedMark | Unread, width: int, height: int) -> ImportedMark | Unread:
    return replace(mark, points=tuple((x * width, y * height) for x, y in mark.points)) if isinstance(mark, ImportedMark) else mark


def _label_files(found: YoloDataset) -> dict[Path, Path]:
    """The label file of each picture that has one: where it belongs, else the only one of its name that belongs to no other picture."""
    texts: dict[Path, Path] = {}
    for picture in found.pictures:
        if (
            text := next((each for each in _label_file(picture, found.inside) if each.is_file() and found.inside.holds(each)), None)
        ) is not None:
            texts[picture] = text
    left = [each for each in found.pictures if each not in texts]
    if left:
        by_stem: dict[str, list[Path]] = {}
        for each in _untaken(found, texts):
            by_stem.setdefault(_key(each), []).append(each)
        texts |= {each: by_stem[_key(each)][0] for each in left if len(by_stem.get(_key(each), ())) == 1}
    return texts


def _untaken(found: YoloDataset, texts: dict[Path, Path]) -> list[Path]:
    """Text files of the data set that are no picture's so far."""
    taken = {each.resolve() for each in texts.values()}
    every = (each for each in folder_walk.files(found.inside.root) if each.suffix.lower() == ".txt")
    return [each for each in every if each.resolve() not in taken and found.inside.holds(each)]


def _key(file: Path) -> str:
    """What a picture and its label file have in common, however a Mac or Windows writes the name."""
    return unicodedata.normalize("NFC", file.stem).casefold()


def _label_file(picture: Path, inside: DatasetFolder) -> Iterator[Path]:
    """Where a picture's label file may be: `labels` for each `images` of its path below the data set, the last first; then next to it."""
    root = inside.media if inside.media is not None and picture.is_relative_to(inside.media) else inside.root
    parts = picture.relative_to(root).parts if picture.is_relative_to(root) else (picture.name,)
    for at in reversed(range(len(parts) - 1)):
        if parts[at].casefold() == "images":
            yield (root.joinpath(*parts[:at], "labels", *parts[at + 1 :])).with_suffix(".txt")
    if root.name.casefold() == "images":
        yield root.parent.joinpath("labels", *parts).with_suffix(".txt")
    yield picture.with_suffix(".txt")
