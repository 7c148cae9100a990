"""Which way up a picture is: as Chromium shows it, since people draw their boxes on what Label Studio's editor shows them.

Measured for every format and place of a tag in tests/contract/test_shown_by_chromium.py; docs/pictures.md has the table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import PIL.Image
import structlog

log = structlog.get_logger(__name__)

ORIENTATION_TAG = 0x0112  # EXIF 2.32, 4.6.4 A
DETAILS_TAG = 0x8769  # where IFD0 points at the Exif IFD
SHORT = 3  # the only type that EXIF allows for an orientation
TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
BY_EXIF = frozenset({"JPEG", "MPO", "PNG", None})
"""Formats whose EXIF the browser heeds. None: made in memory, where EXIF is what a camera's JPEG left behind."""

IN_PNG = (b"eXIf", b"Raw profile", b":Orientation")
"""Without one of these in its bytes a PNG tells no turn. Pillow decodes all of it to look for EXIF behind the pixels."""

UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class StoredOrientation:
    """How a picture lies in its file. kind: Pillow's name of the format (`JPEG`, …).

    turn: the EXIF turn, 1 (upright) to 8, from there to the picture that we and Label Studio's editor show.
    told: the turn that some reader may take from its EXIF or XMP, whether the editor heeds it or not; 1 when nothing tells one.
    """

    kind: str
    turn: int
    told: int


def turn_of(picture: PIL.Image.Image) -> int:
    """The turn, 1 to 8, that is still to be made on what Pillow decodes. To be asked before the pixels are loaded.

    TIFF and HEIC are turned by their decoders already; WebP, GIF, BMP and JPEG 2000 are not turned by anybody; XMP turns nothing.
    """
    if picture.format == "AVIF":  # Pillow writes `irot` and `imir` into the EXIF that it hands out, and leaves the pixels
        return _valid_turn(_pillow_exif_turn(picture.info.get("exif")))
    if picture.format in BY_EXIF:
        return _valid_turn(_exif_turn(picture.info.get("exif") or b""))
    return 1


def pillow_turn(picture: PIL.Image.Image) -> int | None:
    """The turn, 1 to 8, that Pillow makes itself as it loads a TIFF; None for other formats."""
    tags = getattr(picture, "tag_v2", None)
    return None if tags is None else _valid_turn(tags.get(ORIENTATION_TAG))


def tag_turn(picture: PIL.Image.Image, data: bytes) -> int:
    """The turn, 1 to 8, that any of its metadata tell: what readers go by that heed XMP, or EXIF where a browser does not.

    data: the file's bytes.
    """
    if picture.format == "PNG" and "exif" not in picture.info and not any(each in data for each in IN_PNG):
        return 1
    try:
        return _valid_turn(picture.getexif().get(ORIENTATION_TAG, 1))
    except UNREADABLE as error:
        log.debug("exif_unreadable", error=type(error).__name__)
        return 1


def _valid_turn(turn: object) -> int:
    return turn if isinstance(turn, int) and turn in TURNS else 1


def _pillow_exif_turn(exif: bytes | None) -> object:
    found = PIL.Image.Exif()
    try:
        found.load(exif or b"")
        return found.get(ORIENTATION_TAG)
    except UNREADABLE as error:
        log.debug("exif_unreadable", error=type(error).__name__)
        return None


def _exif_turn(exif: bytes) -> int | None:
    """As Chromium reads it: the first orientation of the first block that is one SHORT, in IFD0 or the Exif IFD that it points at."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return None
    return _in_directory(block, order, struct.unpack_from(f"{order}I", block, 4)[0], inner=True)


def _in_directory(block: bytes, order: str, start: int, *, inner: bool) -> int | None:
    if start + 2 > len(block):
        return None
    count = struct.unpack_from(f"{order}H", block, start)[0]
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, at)
        if tag == ORIENTATION_TAG and kind == SHORT and values == 1:
            return int(struct.unpack_from(f"{order}H", block, at + 8)[0])
        if tag == DETAILS_TAG and inner:
            found = _in_directory(block, order, struct.unpack_from(f"{order}I", block, at + 8)[0], inner=False)
            if found is not None:
                return found
    return None
