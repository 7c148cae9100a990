"""Copies of pictures that every tool reads alike: upright, in a format that all of them open."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import PIL.Image

from dinolabel.vision.decoding.pictures import stored
from dinolabel.vision.decoding.turns import StoredOrientation
from dinolabel.vision.types import Image

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp", "MPO": ".jpg"}
"""What OpenCV, Pillow and the trainers built on them open without a plug-in."""

QUALITY = 95


def suffix_of(file: Path) -> str:
    """The suffix that the copy of a picture has: its own format's, or .jpg where it must be written anew. Raises MediaError."""
    found = stored(file)
    return SUFFIXES[found.kind] if _plain(found) else ".jpg"


def copy_or_link(file: Path, image: Image, to: Path, *, link: bool) -> None:
    """Copy a picture, or link it. One that EXIF or XMP would turn, or of a rare format, is written upright as JPEG instead: half of
    all tools heed them and half do not, and the boxes are the upright picture's. So is one whose format is not that of `to`'s suffix.
    The file appears whole. Raises MediaError, OSError."""
    part = to.with_name(f".{to.name}.part")
    part.unlink(missing_ok=True)
    usable = suffix_of(file) == to.suffix and _is_usable_as_stored(file)
    if link and usable:
        with suppress(OSError):  # another file system: a copy then
            os.link(file, part)
    if not part.exists():
        part.write_bytes(file.read_bytes() if usable else encode_jpeg(image))
    os.replace(part, to)


def encode_bytes(file: Path, image: Image) -> bytes:
    """What the copy of a picture holds. Raises MediaError."""
    return file.read_bytes() if _is_usable_as_stored(file) else encode_jpeg(image)


def encode_jpeg(image: Image) -> bytes:
    """A picture written anew, upright."""
    written = io.BytesIO()
    PIL.Image.fromarray(image.pixels).save(written, format="JPEG", quality=QUALITY, subsampling=0)
    return written.getvalue()


def _is_usable_as_stored(file: Path) -> bool:
    return _plain(stored(file))


def _plain(found: StoredOrientation) -> bool:
    """Of a common format, and nothing in it tells a turn, by which some readers would go and others not."""
    return found.turn == 1 and found.told == 1 and found.kind in SUFFIXES
