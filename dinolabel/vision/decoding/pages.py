"""Which of a TIFF's pictures is the picture: the first page that is no reduced copy; a camera's RAW is none."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dinolabel.vision.errors import MediaUnreadable

NEW_KIND, OLD_KIND, PHOTOMETRIC, INNER, DNG = 254, 255, 262, 330, 50706
REDUCED, MASK = 1, 4  # bits of NEW_KIND
OLD_REDUCED = 2
SENSOR = frozenset({32803, 34892})  # colour filter array, linear RAW
MOST = 10_000  # pages of one file that are counted
DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class TiffPage:
    """number: which page is the picture, counted from 0. count: how many full ones the file has. skipped: reduced copies before it."""

    number: int
    count: int
    skipped: bool

    def remark(self) -> str | None:
        """A word where a person may have expected another one, or more."""
        if self.skipped:
            return f"begins with a reduced copy: its page {self.number + 1} was used"
        return f"has {self.count} pages: page 1 was used" if self.count > 1 else None


def page_of(data: bytes, name: str) -> TiffPage:
    """The page of a TIFF that is its picture. Raises MediaUnreadable for a camera's RAW, of which only a preview could be shown."""
    pages = list(_directories(data))
    if data[8:10] == b"CR" or any(DNG in each or each.get(PHOTOMETRIC) in SENSOR for page in pages for each in (page, *_inner(data, page))):
        raise _raw(name)
    full = [number for number, each in enumerate(pages) if not _is_copy(each)]
    if not full:
        if pages and INNER in pages[0]:
            raise _raw(name)
        return TiffPage(0, 1, skipped=False)
    return TiffPage(full[0], len(full), skipped=full[0] > 0)


def _raw(name: str) -> MediaUnreadable:
    hint = "Develop it into a JPEG or TIFF, and use that."
    return MediaUnreadable(f"{name} is a camera's RAW (DNG or the like), of which only the small preview could be read.", hint=hint)


def _is_copy(tags: ImageFileDirectory_v2) -> bool:
    kind = tags.get(NEW_KIND, 0)
    return (isinstance(kind, int) and bool(kind & (REDUCED | MASK))) or tags.get(OLD_KIND) == OLD_REDUCED


def _directories(data: bytes) -> Iterator[ImageFileDirectory_v2]:
    """Of every page, in order; what is damaged ends them."""
    head = data[:16] if len(data) > 2 and 43 in data[2:4] else data[:8]  # 43: BigTIFF
    try:
        place, seen = ImageFileDirectory_v2(head).next, set[int]()
        while place and place not in seen and len(seen) < MOST:
            seen.add(place)
            tags = _directory(data, head, place)
            yield tags
            place = tags.next
    except DAMAGED:
        return


def _inner(data: bytes, page: ImageFileDirectory_v2) -> Iterator[ImageFileDirectory_v2]:
    """Directories that a page points at beside the row of pages: where cameras keep what the sensor saw."""
    head = data[:16] if 43 in data[2:4] else data[:8]
    places = page.get(INNER, ())
    try:
        for place in places if isinstance(places, tuple) else (places,):
            yield _directory(data, head, int(place))
    except DAMAGED:
        return


def _directory(data: bytes, head: bytes, place: int) -> ImageFileDirectory_v2:
    file = io.BytesIO(data)
    file.seek(place)
    tags = ImageFileDirectory_v2(head)
    tags.load(file)
    return tags
