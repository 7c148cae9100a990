"""How a data set is read, and what is met on the way: pictures that are refused, and what a person should know of the others.

Only values; every import format fills one, and the command prints it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dinolabel.exporters.importers.common.records import ImportedImage
from dinolabel.vision.decoding.frame_sizes import Choice, CoordinateFrame, Point, Size, frame_of, frame_of_stored
from dinolabel.vision.decoding.pictures import open_image, stored
from dinolabel.vision.errors import MediaError

FAR = 0.1
"""A share of a picture's side: marks that reach further out of it were hardly drawn so."""

CUT = "marks reach far out of it and are cut at its edge: look whether the file means them so (COCO's bbox is x, y, width, height)"


@dataclass(frozen=True, slots=True)
class RefusedImage:
    """A picture that does not come. why: a sentence; hint: what to do, or nothing."""

    name: str
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Recognition:
    """That a reader knows a data set. words: by what, for a person. sure: False where it counts only when no other reader knows it."""

    words: str
    sure: bool = True


@dataclass
class PictureCollector:
    """Pictures by what they are told apart by: what a later entry or file says of one is put together with what is there."""

    _pictures: dict[Hashable, ImportedImage] = field(default_factory=dict)
    _refused: set[Hashable] = field(default_factory=set)

    def add(self, key: Hashable, arriving: ImportedImage | None) -> None:
        """None: what this entry says of the picture was refused, so that it does not come, whatever others say."""
        if arriving is None:
            self._refused.add(key)
        else:
            self._pictures[key] = self._pictures[key].merge(arriving) if key in self._pictures else arriving

    def __iter__(self) -> Iterator[ImportedImage]:
        return (each for key, each in self._pictures.items() if key not in self._refused)


@dataclass
class ImportLog:
    """frame: a person's word for how boxes were drawn, where nothing tells. notes: what was noticed -> the pictures it is of, or none.

    unpacked: where a zip was unpacked to -> the zip, which is the path that a person knows.
    """

    frame: Choice | None = None
    refused: list[RefusedImage] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    unpacked: dict[Path, Path] = field(default_factory=dict)

    def refuse(self, name: str, why: str, hint: str = "") -> None:
        """One picture does not come; the others do."""
        self.refused.append(RefusedImage(name, self.say(why), hint))

    def say(self, text: str) -> str:
        """A text with the zip's path in place of the folder it was unpacked to, which is gone when a person looks."""
        for folder, path in self.unpacked.items():
            text = text.replace(str(folder), str(path))
        return text

    def note(self, text: str, name: str | None = None) -> None:
        """Something to say once, of the picture `name` or of the data set."""
        names = self.notes.setdefault(self.say(text), [])
        if name is not None and name not in names:
            names.append(name)

    def frame_of(
        self, name: str, file: Path | None, stated: Size | None, points: list[Point], *, seen_upright: bool = False
    ) -> CoordinateFrame | None:
        """The frame of a picture's points (dinolabel.vision.decoding.frame_sizes), None for a picture that is refused; both are noted here.

        file: None where the picture is not on this machine, and what the data set states must be believed.
        """
        if file is None:
            if stated is not None:
                return CoordinateFrame(stated, 1, stated)
            self.refuse(name, "The picture is not here, and the file does not say its size.")
            return None
        try:
            image = open_image(file)
            size = image.width, image.height
            found = frame_of(stated, size, lambda: stored(file).turn, points, seen_upright=seen_upright, choice=self.frame)
        except MediaError as error:
            self.refuse(name, str(error), error.hint)
            return None
        if found.said is not None:
            self.note(found.said, name)
        if any(_far_outside(found.point(*each), found.upright) for each in points):
            self.note(CUT, name)
        return found

    def frame_of_stored(self, name: str, file: Path, stated: Size | None) -> CoordinateFrame | None:
        """The frame of shares of a picture as it lies in its file, None for one that is refused."""
        try:
            image = open_image(file)
            return frame_of_stored(stated, (image.width, image.height), stored(file).turn, choice=self.frame)
        except MediaError as error:
            self.refuse(name, str(error), error.hint)
            return None


def _far_outside(point: Point, size: Size) -> bool:
    return any(at < -FAR * side or at > (1 + FAR) * side for at, side in zip(point, size, strict=True))
