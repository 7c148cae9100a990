"""Files become upright RGB pixels, whatever camera or scanner wrote them.

Knows nothing of where a file came from: `studio.media` finds and downloads it first.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import structlog

from vision import walk
from vision.errors import MediaUnavailable, MediaUnreadable
from vision.types import Image, Pixels

log = structlog.get_logger(__name__)

DECODING = "rgb8-upright-over-white-1"
"""Names the rules below. Change it when the same bytes would give other pixels, so that no cache answers for the old ones."""

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
ORIENTATION_TAG = 0x0112  # EXIF 2.32, 4.6.4 A
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
MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")
AVIF_BRANDS = (b"avif", b"avis")


def open_image(path: Path, *, frame: int | None = None) -> Image:
    """The picture in a file, or one frame of a video. Reads the bytes once; pixels are decoded when asked for.

    path: a file. frame: counted from 0; None for a picture (an animation gives its first frame).
    Raises MediaUnavailable when there is no such file, MediaUnreadable when it holds nothing we can decode.
    A file that is cut short is only found out when its pixels are asked for.
    """
    if frame is not None:
        from vision.frames import open_frame

        return open_frame(path, frame)
    digest, width, height = _measured(path.name, _read(path))
    return Image(digest, width, height, lambda: _decode(path, digest))


def image_of(data: bytes, name: str) -> Image:
    """The picture in a file's bytes, which are kept until it is let go; name: for messages. Raises MediaUnreadable."""
    digest, width, height = _measured(name, data)

    return Image(digest, width, height, lambda: _pixels(name, data))


def _measured(name: str, data: bytes) -> tuple[str, int, int]:
    """sha256 of the bytes, upright width and height, from the header alone."""
    with _translated(name, data), _opened(data) as picture:
        _check_size(picture, name)
        turn = _orientation(picture, data)
        width, height = picture.size
    if turn in SIDEWAYS:
        width, height = height, width
    return hashlib.sha256(data).hexdigest(), width, height


def stored(path: Path) -> tuple[str, int]:
    """How a picture lies in its file: the format (`JPEG`, …) and the EXIF turn, 1 (upright) to 8. Raises MediaError."""
    data = _read(path)
    with _translated(path.name, data), _opened(data) as picture:
        return picture.format or "", _orientation(picture, data)


def from_pillow(picture: PIL.Image.Image) -> Image:
    """Wrap a picture that is in memory already, by the same rules as a file."""
    with _translated("the picture", b""):
        return Image.from_array(_upright_rgb(picture, _orientation(picture, b"")))


def as_image(picture: str | Path | Pixels | PIL.Image.Image | Image) -> Image:
    """A path, (H, W, 3) uint8 RGB pixels or a Pillow image as an Image. Raises MediaError, and ValueError for other arrays."""
    match picture:
        case Image():
            return picture
        case np.ndarray():
            return Image.from_array(picture)
        case PIL.Image.Image():
            return from_pillow(picture)
    try:
        return open_image(Path(picture))
    except MediaUnavailable as error:
        raise type(error)(str(error), hint="Check the path.") from error


def image_paths(root: Path) -> list[Path]:
    """The file itself, or every picture below a folder, sorted; hidden ones (vision.walk) left out. Raises MediaUnavailable."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise MediaUnavailable(f"There is no file or folder {root}.", hint="Check the path.")
    return sorted(each for each in walk.files(root) if each.suffix.lower() in SUFFIXES)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MediaUnavailable(f"There is no file {path.name}.") from error
    except OSError as error:
        raise MediaUnavailable(f"{path.name} cannot be read: {error.strerror}.") from error


def _decode(path: Path, digest: str) -> Pixels:
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != digest:
        raise MediaUnreadable(f"{path.name} changed while it was worked on.", hint="Try again.")
    return _pixels(path.name, data)


def _pixels(name: str, data: bytes) -> Pixels:
    with _translated(name, data), _opened(data) as picture:
        return _upright_rgb(picture, _orientation(picture, data))


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
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error, MemoryError) as error:
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


def _orientation(picture: PIL.Image.Image, data: bytes) -> int:
    # Pillow decodes a whole PNG to look for EXIF behind the pixels; the chunk's name in the bytes says whether to bother.
    if picture.format == "PNG" and "exif" not in picture.info and b"eXIf" not in data:
        return 1
    try:
        turn = picture.getexif().get(ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error) as error:
        log.debug("exif_unreadable", error=type(error).__name__)
        return 1
    return turn if turn in TURNS else 1


def _upright_rgb(picture: PIL.Image.Image, turn: int) -> Pixels:
    rgb = _rgb(picture)
    if turn in TURNS:
        rgb = rgb.transpose(TURNS[turn])
    pixels = np.array(rgb, dtype=np.uint8)
    pixels.flags.writeable = False
    return pixels


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):
        return PIL.Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        over = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255))
        over.alpha_composite(picture.convert("RGBA"))
        return over.convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # convert would copy


def _eight_bits(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Scale (H, W) 16-bit, 32-bit or float grey into 0..255. Pillow's own convert would clip everything above 255."""
    grey = np.nan_to_num(values.astype(np.float64))
    low, high = float(grey.min()), float(grey.max())
    if low >= 0 and high <= 1 and values.dtype.kind == "f":
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    scaled = (grey - low) * (255.0 / max(high - low, 1e-12))
    return np.floor(scaled + 0.5).astype(np.uint8)
