"""Files become upright RGB pixels, whatever camera or scanner wrote them."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image
import structlog

from dinolabel.vision.decoding import folder_walk, memory_budget
from dinolabel.vision.decoding.pages import TiffPage, page_of
from dinolabel.vision.decoding.rgb import is_deep_colour, is_deep_grey, upright_rgb
from dinolabel.vision.decoding.turns import SIDEWAYS, StoredOrientation, pillow_turn, tag_turn, turn_of
from dinolabel.vision.errors import MediaRefused, MediaUnavailable, MediaUnreadable
from dinolabel.vision.types import Image, Pixels

log = structlog.get_logger(__name__)

DECODING = "rgb8-upright-over-white-1"
"""Names the rules for all pictures. Change it when the same bytes of every picture would give other pixels, so that no cache answers
for the old ones."""
RULES = "2"
"""Names the rules for those pictures that earlier versions decoded to other pixels: Image.decoding. Change it, or add one, when the same
bytes of some pictures would give other pixels, and say in `_rules` of which."""

MAX_PIXELS = 178_956_970  # where Pillow itself refuses; kept here because other libraries in the process change Pillow's own limit
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "HEIF", "ICO")
"""What Pillow may try. Not EPS or PDF: they start other programs."""

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".mpo",
    ".png",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
    ".jp2",
    ".avif",
    ".heic",
    ".heif",
)
MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")
DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, AttributeError),
    *(OverflowError, RuntimeError, struct.error, MemoryError),
)
"""What Pillow and its plugins raise for damaged files (measured on 7,000 of them); AVIF's a bare RuntimeError."""
AVIF_BRANDS = (b"avif", b"avis")


def open_image(path: str | os.PathLike[str], *, frame: int | None = None) -> Image:
    """The picture in a file, or one frame of a video. Reads the bytes once; pixels are decoded when asked for.

    path: a file. frame: counted from 0; None for a picture (an animation gives its first frame).
    Raises MediaUnavailable when there is no such file, MediaUnreadable when it holds nothing we can decode.
    A file that is cut short is only found out when its pixels are asked for.
    """
    path = Path(path)
    if frame is not None:
        from dinolabel.vision.decoding.video_frames import open_frame

        return open_frame(path, frame)
    head = _measured(path.name, _read(path))
    return head.image(lambda: _decode(path, head))


def image_of(data: bytes, name: str) -> Image:
    """The picture in a file's bytes, which are kept until it is let go; name: for messages. Raises MediaUnreadable."""
    head = _measured(name, data)
    return head.image(lambda: _pixels(name, data, head.remarks))


@dataclass(frozen=True)
class _Head:
    """What a file tells before its pixels are decoded; see dinolabel.vision.types.Image."""

    sha256: str
    width: int
    height: int
    decoding: str
    remarks: list[str]

    def image(self, load: Callable[[], Pixels]) -> Image:
        return Image(self.sha256, self.width, self.height, load, decoding=self.decoding, remarks=self.remarks)


def _measured(name: str, data: bytes) -> _Head:
    with _translated(name, data), _opened(data) as picture:
        page = _paged(picture, data, name)
        _check_size(picture, name)
        turn, told = turn_of(picture), tag_turn(picture, data)
        memory_budget.check(picture, name, len(data), turned=told != 1, deep=is_deep_colour(picture))
        width, height = picture.size
        decoding = _rules(picture, data, page, heeded=turn == told)
    if turn in SIDEWAYS:
        width, height = height, width
    remarks: list[str] = []
    _remark(remarks, name, page.remark() if page else None)
    return _Head(hashlib.sha256(data).hexdigest(), width, height, decoding, remarks)


def _rules(picture: PIL.Image.Image, data: bytes, page: TiffPage | None, *, heeded: bool) -> str:
    """RULES for a picture that earlier versions decoded to other pixels, or may have. heeded: whether its turn is the one that it tells."""
    others = (
        not heeded,  # they followed XMP, the EXIF of WebP, and turned a TIFF twice
        picture.format == "PNG" and b"eXIf" in data and "exif" not in picture.info,
        bool(picture.info.get("default_image")),  # an animated PNG's still picture
        picture.format == "GIF" and _tile(picture) != (0, 0, *picture.size),
        page is not None and page.number > 0,
        is_deep_grey(picture) or is_deep_colour(picture),  # may have been too dark
    )
    return RULES if any(others) else ""


def _tile(picture: PIL.Image.Image) -> tuple[int, int, int, int] | None:
    tiles = getattr(picture, "tile", None)
    return tiles[0].extents if tiles else None


def _remark(remarks: list[str], name: str, said: str | None) -> None:
    """Once for a picture, however often its pixels are asked for."""
    if said is not None and said not in remarks:
        remarks.append(said)
        log.info("picture_remark", file=name, remark=said)


def stored(path: Path) -> StoredOrientation:
    """How a picture lies in its file. Raises MediaError."""
    data = _read(path)
    with _translated(path.name, data), _opened(data) as picture:
        _paged(picture, data, path.name)
        turn, told = pillow_turn(picture) or turn_of(picture), tag_turn(picture, data)
        return StoredOrientation(picture.format or "", turn, told)


def from_pillow(picture: PIL.Image.Image) -> Image:
    """Wrap a picture that is in memory already, by the same rules as a file; one that tells no format is taken for a camera's JPEG."""
    with _translated("the picture", b""):
        pixels, span = upright_rgb(picture, turn_of(picture))
    image = Image.from_array(pixels)
    _remark(image.remarks, "the picture", span.remark() if span else None)
    return image


Picture = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Pixels | PIL.Image.Image | Image
"""What a program may have of one picture: a path, a file's bytes or the open file, (H, W, 3) uint8 RGB, a Pillow image, an Image."""


def as_image(picture: Picture) -> Image:
    """A Picture as an Image. An open file is read from where it stands, and stays open.

    Raises MediaError for what is no picture, ValueError for other arrays, TypeError for anything else.
    """
    match picture:
        case Image():
            return picture
        case np.ndarray():
            return Image.from_array(picture)
        case PIL.Image.Image():
            return from_pillow(picture)
        case bytes() | bytearray() | memoryview():
            return image_of(bytes(picture), "the picture")
        case str() if picture.lower().startswith(("http://", "https://")):
            raise MediaRefused("Pictures at an address are not fetched in Python.", hint="Download it and give its bytes.")
        case str() | os.PathLike():
            return open_image(Path(picture))
    if hasattr(picture, "read"):
        return _read_image(picture)
    raise TypeError(f"expected a path, bytes, an open file, (H, W, 3) uint8 RGB or a Pillow image, got {type(picture).__name__}")


def _read_image(file: IO[bytes]) -> Image:
    data, name = file.read(), getattr(file, "name", None)
    if isinstance(data, str):
        raise TypeError('expected a file of bytes, got one of text: open it with "rb"')
    return image_of(data, Path(name).name if isinstance(name, str) else "the picture")


def image_paths(root: Path) -> list[Path]:
    """The file itself, or every picture below a folder, sorted; hidden ones (dinolabel.vision.decoding.folder_walk) left out. Raises
    MediaUnavailable."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise MediaUnavailable(f"There is no file or folder {root}.", hint="Check the path.")
    return sorted(each for each in folder_walk.files(root) if each.suffix.lower() in SUFFIXES)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MediaUnavailable(f"There is no file {path.name}.", hint="Check the path.") from error
    except IsADirectoryError as error:
        raise MediaUnavailable(f"{path.name or path} is a folder.", hint="Give the pictures in it.") from error
    except OSError as error:
        raise MediaUnavailable(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a zero byte, as text of another origin may hold
        raise MediaUnavailable(f"{path.name!r} is no name of a file: {error}.", hint="Check the path.") from error


def _decode(path: Path, head: _Head) -> Pixels:
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != head.sha256:
        raise MediaUnreadable(f"{path.name} changed while it was worked on.", hint="Try again.")
    return _pixels(path.name, data, head.remarks)


def _pixels(name: str, data: bytes, remarks: list[str]) -> Pixels:
    with _translated(name, data), _picture(name, data) as picture:
        pixels, span = upright_rgb(picture, turn_of(picture), lambda: _picture(name, data))
    _remark(remarks, name, span.remark() if span else None)
    pixels.flags.writeable = False
    return pixels


def _picture(name: str, data: bytes) -> PIL.Image.Image:
    """The one of a file's pictures that is the picture, not decoded yet."""
    picture = _opened(data)
    if _paged(picture, data, name) is not None:
        picture.info.pop("xmp", None)  # Pillow would turn a TIFF by it, after it said another size
    if picture.info.get("default_image"):  # an animated PNG's still picture is for programs that cannot show the animation
        picture.seek(1)
    return picture


def _paged(picture: PIL.Image.Image, data: bytes, name: str) -> TiffPage | None:
    """Go to the page of a TIFF that is its picture."""
    if picture.format != "TIFF":
        return None
    page = page_of(data, name)
    if page.number:
        picture.seek(page.number)
    return page


@cache
def _known_formats() -> tuple[str, ...]:
    PIL.Image.init()
    return tuple(each for each in FORMATS if each in PIL.Image.OPEN)


@cache
def _register_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _known_formats.cache_clear()


def _opened(data: bytes) -> PIL.Image.Image:
    if data[4:8] == b"ftyp" and data[8:12] not in AVIF_BRANDS:
        _register_heif()
    return PIL.Image.open(io.BytesIO(data), formats=_known_formats())


@contextmanager
def _translated(name: str, data: bytes) -> Iterator[None]:
    """Pillow's many exceptions become MediaUnreadable with a word about what the bytes are."""
    try:
        yield
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except PIL.UnidentifiedImageError as error:
        raise _unidentified(name, data) from error
    except DAMAGED as error:
        raise MediaUnreadable(f"{name} is damaged or cut short: {error}.") from error


def _unidentified(name: str, data: bytes) -> MediaUnreadable:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return MediaUnreadable(f"{name} is empty.", hint="Copy or upload the file again.")
    if head.startswith(MARKUP):
        return MediaUnreadable(
            f"{name} is a web page, not a picture.",
            hint="The address probably answered with a login or error page: open it in a browser to see.",
        )
    if b"<svg" in head:
        return MediaUnreadable(f"{name} is an SVG drawing, not pixels.", hint="Export it as PNG.")
    return MediaUnreadable(f"{name} is no picture that we can decode.")


def _too_large(name: str) -> MediaUnreadable:
    return MediaUnreadable(
        f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels, which may be an attack on this machine's memory.",
        hint="Shrink it, or cut it into tiles.",
    )


def _check_size(picture: PIL.Image.Image, name: str) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(name)
