"""The XMP that lies inside a picture's file, as bytes of XML; nothing of it is heeded here."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import structlog

log = structlog.get_logger(__name__)

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
"""Begins each part of what is longer than a JPEG segment (XMP specification, part 3, 1.1.3.1): 32 bytes of digest, length, offset."""
HEADER = len(EXTENSION) + 40


def read_embedded_xmp(path: Path) -> list[bytes]:
    """The packets of a picture, the main one first; none for a file without any and for one that is no picture."""
    try:
        with PIL.Image.open(path, formats=FORMATS) as picture:
            main, parts = picture.info.get("xmp"), getattr(picture, "applist", [])
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        log.debug("xmp_unreadable", file=path.name, error=type(error).__name__)
        return []
    packets = [main.encode() if isinstance(main, str) else main, _extension(parts)]
    return [packet for each in packets if each and (packet := each.strip(b"\0\r\n\t "))]


def _extension(segments: list[tuple[str, bytes]]) -> bytes:
    """The extended packet of a JPEG, put together by the offsets of its parts."""
    parts = [data for name, data in segments if name == "APP1" and data.startswith(EXTENSION) and len(data) > HEADER]
    ordered = sorted(parts, key=lambda each: int.from_bytes(each[HEADER - 4 : HEADER], "big"))
    return b"".join(each[HEADER:] for each in ordered)
