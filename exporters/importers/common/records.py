"""A picture with approved boxes that comes from a file: what every import format reads into.

Only values, and the errors of reading. Boxes are pixels of the upright picture, xyxy.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dinolabel.exporters.pipeline.records import UNLABELLED
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.regions.writing import Quad
from dinolabel.vision.errors import RequestError, first_line
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Box


class ImportUnreadable(RequestError):
    """What is to be imported is not there, or not in the format that was named."""

    hint = "See docs/exports.md for what each import reads."


Attributes = tuple[tuple[str, str], ...]
"""What a tool noted beside a mark, as name and value: `occluded`, `colour`. A value of "" is a mark that is set."""

SAME_OBJECT = 0.7
"""IoU of two boxes of one label, from two entries about a picture, that are taken as of one object."""


@dataclass(frozen=True, slots=True)
class ImportedBox:
    """label: None for a box without one. quad: corners when rotated, clockwise from its own top-left. source: its id in the file.

    verified: False for a box that nobody looked at (`--unverified`), which has the score it was proposed with. attributes: kept as a note.
    """

    label: str | None
    box: Box
    quad: Quad | None
    source: str
    verified: bool = True
    score: float | None = None
    attributes: Attributes = ()

    @property
    def words(self) -> Hashable:
        """What it says, equal for copies of it: label and place, to a hundredth of a pixel, and whether somebody looked at it."""
        return self.label, self.verified, self.quad is None, tuple(round(each, 2) for each in self.box.xyxy)

    def marks_same_object(self, other: ImportedBox) -> bool:
        """Whether two people, or two files, marked one thing: with one label, and nearly the same place."""
        same = (self.label, self.verified) == (other.label, other.verified)
        return same and (self.words == other.words or self.box.iou(other.box) >= SAME_OBJECT)


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """file: the picture here, None when it is nowhere. task, address, sha256: as an export of ours remembers them, else None.

    unread: marks of the picture that could not be used; with any of them the picture is undecided, whatever boxes it has.
    looked_at: False where an export of ours says that nobody answered: no boxes then mean nothing.
    """

    name: str
    file: Path | None
    width: int
    height: int
    boxes: tuple[ImportedBox, ...]
    task: int | None = None
    address: str | None = None
    sha256: str | None = None
    unread: tuple[Unread, ...] = ()
    looked_at: bool = True

    @property
    def digests(self) -> frozenset[str]:
        """Of the original file's bytes and of those here, which differ where a copy was written anew."""
        here = () if self.file is None else (sha256_of_file(self.file),)
        return frozenset((*here, *([self.sha256] if self.sha256 else [])))

    def merge(self, other: ImportedImage) -> ImportedImage:
        """This picture with what another file or entry says of it; an object that both mark comes once.

        Label Studio's COCO has an entry for each person who answered, so their boxes differ by a pixel.
        """
        more = tuple(each for each in other.boxes if not any(each.marks_same_object(known) for known in self.boxes))
        unread = tuple(each for each in other.unread if each not in self.unread)
        return replace(self, boxes=(*self.boxes, *more), unread=(*self.unread, *unread))


def label_of(name: Any) -> str | None:
    """A label as names are made, whatever form a Mac or a tool stored it in. Our own exports call boxes without a label so."""
    return None if name is None or name == UNLABELLED else unicodedata.normalize("NFC", str(name))


def clip_box(x1: float, y1: float, x2: float, y2: float, width: int, height: int) -> Box | None:
    """The box inside its picture, None when less than a pixel is left or a number is none."""
    try:
        return Box(x1, y1, x2, y2).clip(width, height)
    except ValueError:
        return None


def read_text(path: Path) -> str:
    """A text file in UTF-8 or with a byte order mark, as Windows writes them. Raises ImportUnreadable."""
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportUnreadable(f"{path} is no text in UTF-8: {error.reason}.", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise ImportUnreadable(f"{path} cannot be read: {error.strerror}.") from error


def read_json(path: Path) -> Any:
    """Raises ImportUnreadable."""
    try:
        return parse_json(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ImportUnreadable(f"{path} cannot be read: {first_line(error)}.") from error


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of the upright picture. Raises MediaError."""
    from dinolabel.vision.decoding.pictures import open_image

    image = open_image(file)
    return image.width, image.height
