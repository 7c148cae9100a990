"""Small pictures that tell a turn, in every format and every place where something can write it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image

TURN = 0x0112
SIZE = (48, 32)
CORNERS = {"top left": (230, 20, 20), "top right": (20, 200, 20), "bottom left": (20, 20, 220), "bottom right": (240, 240, 240)}


def pattern() -> PIL.Image.Image:
    """48 x 32, a colour in each quarter: no turn and no mirror looks like another."""
    (width, height), pixels = SIZE, np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    down, across = (
        {"top": slice(0, height // 2), "bottom": slice(height // 2, None)},
        {"left": slice(0, width // 2), "right": slice(width // 2, None)},
    )
    for place, colour in CORNERS.items():
        first, second = place.split()
        pixels[down[first], across[second]] = colour
    return PIL.Image.fromarray(pixels)


def written(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def block(turn: int, *, order: str = ">", kind: int = 3, count: int = 1, tag: int = TURN) -> bytes:
    """The smallest EXIF there is: a TIFF header and one directory of one entry. order: `<` or `>`. kind: 3 for SHORT, 4 for LONG."""
    value = struct.pack(f"{order}HH", turn, 0) if kind in (3, 8) else struct.pack(f"{order}I", turn)
    return (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}IHHHI", 8, 1, tag, kind, count) + value + bytes(4)


def twice(first: int, second: int) -> bytes:
    """EXIF whose directory has two orientations."""
    entries = b"".join(struct.pack("<HHIHH", TURN, 3, 1, turn, 0) for turn in (first, second))
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)


def in_details(turn: int) -> bytes:
    """EXIF whose orientation is in the Exif IFD instead of IFD0."""
    inner = struct.pack("<HHHIHH", 1, TURN, 3, 1, turn, 0) + bytes(4)
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x8769, 4, 1, 26) + bytes(4) + inner


def of_thumbnail(turn: int) -> bytes:
    """EXIF whose orientation is the thumbnail's (IFD1)."""
    first = struct.pack("<HHHIHHI", 1, 0x0113, 3, 1, 1, 0, 26)
    return b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<HHHIHH", 1, TURN, 3, 1, turn, 0) + bytes(4)


def xmp(turn: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{turn}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


def segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def by_exif(exif: bytes) -> bytes:
    return segment(b"Exif\0\0" + exif)


def by_xmp(turn: int) -> bytes:
    return segment(b"http://ns.adobe.com/xap/1.0/\0" + xmp(turn))


def jpeg(*segments: bytes, late: bool = False, behind: bool = False) -> bytes:
    """late: the segments stand right before the scan. behind: after the end of the picture."""
    data = written(pattern(), "JPEG", quality=95, subsampling=0)
    at = len(data) if behind else data.index(b"\xff\xda") if late else 2
    return data[:at] + b"".join(segments) + data[at:]


def chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    """Chunks before and after the pixels."""
    data = written(pattern(), "PNG")
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    return data[:start] + before + data[start:end] + after + data[end:]


def raw_profile(kind: str, exif: bytes) -> bytes:
    """EXIF as ImageMagick hid it in a PNG's text before there was a chunk for it."""
    payload = b"Exif\0\0" + exif
    text = f"\n{kind}\n{len(payload):8}\n{payload.hex()}\n".encode()
    return chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text))


def exif_of(turn: int, tag: int = TURN) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[tag] = turn
    return exif


def avif_by_exif(turn: int, box: int | None = None) -> bytes:
    """An AVIF with EXIF alone: Pillow makes `irot` and `imir` of an orientation, so another tag becomes one afterwards. box: for these."""
    exif = exif_of(turn, 0x0113)
    if box is not None:
        exif[TURN] = box
    data = written(pattern(), "AVIF", quality=95, exif=exif.tobytes())
    for order in "<>":
        data = data.replace(struct.pack(f"{order}HHI", 0x0113, 3, 1), struct.pack(f"{order}HHI", TURN, 3, 1))
    return data


def turned(turn: int) -> dict[str, bytes]:
    """Name -> a picture that something in it wants turned. The name's beginning, up to `-`, is the format."""
    big, little = block(turn), block(turn, order="<")
    return {
        "jpeg-exif": jpeg(by_exif(big)),
        "jpeg-exif-little-endian": jpeg(by_exif(little)),
        "jpeg-exif-late": jpeg(by_exif(big), late=True),
        "jpeg-xmp": jpeg(by_xmp(turn)),
        "jpeg-exif-and-another-xmp": jpeg(by_exif(big), by_xmp(3)),
        "mpo-exif": written(pattern(), "MPO", save_all=True, append_images=[pattern()], quality=95, exif=exif_of(turn).tobytes()),
        "png-exif-before": png(chunk(b"eXIf", big)),
        "png-exif-after": png(b"", chunk(b"eXIf", big)),
        "png-raw-exif": png(raw_profile("exif", big)),
        "png-raw-app1": png(raw_profile("APP1", big)),
        "png-xmp": png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turn))),
        "webp-exif": written(pattern(), "WEBP", lossless=True, exif=big),
        "webp-exif-with-header": written(pattern(), "WEBP", lossless=True, exif=b"Exif\0\0" + big),
        "webp-xmp": written(pattern(), "WEBP", lossless=True, xmp=xmp(turn)),
        "avif-box": written(pattern(), "AVIF", quality=95, exif=exif_of(turn).tobytes()),
        "avif-exif": avif_by_exif(turn),
        "avif-xmp": written(pattern(), "AVIF", quality=95, xmp=xmp(turn)),
    }


def odd() -> dict[str, bytes]:
    """What real writers get wrong, each with something that wants a turn."""
    return {
        "jpeg-two-blocks": jpeg(by_exif(block(6)), by_exif(block(3))),
        "jpeg-two-blocks-first-upright": jpeg(by_exif(block(1)), by_exif(block(6))),
        "jpeg-two-blocks-first-without": jpeg(by_exif(block(7, tag=0x0113)), by_exif(block(6))),
        "jpeg-xmp-first": jpeg(by_xmp(3), by_exif(block(6))),
        "jpeg-exif-without-and-xmp": jpeg(by_exif(block(7, tag=0x0113)), by_xmp(6)),
        "jpeg-long": jpeg(by_exif(block(6, kind=4, order="<"))),
        "jpeg-signed": jpeg(by_exif(block(6, kind=8))),
        "jpeg-byte": jpeg(by_exif(block(6, kind=1, order="<"))),
        "jpeg-no-value": jpeg(by_exif(block(6, count=0))),
        "jpeg-two-values": jpeg(by_exif(block(6, count=2))),
        "jpeg-0": jpeg(by_exif(block(0))),
        "jpeg-9": jpeg(by_exif(block(9))),
        "jpeg-twice-in-one": jpeg(by_exif(twice(6, 3))),
        "jpeg-in-details": jpeg(by_exif(in_details(6))),
        "jpeg-of-thumbnail": jpeg(by_exif(of_thumbnail(6))),
        "jpeg-cut-exif": jpeg(by_exif(block(6)[:-4])),
        "jpeg-behind": jpeg(by_exif(block(6)), behind=True),
        "png-two-chunks": png(chunk(b"eXIf", block(6)), chunk(b"eXIf", block(3))),
        "png-exif-with-header": png(chunk(b"eXIf", b"Exif\0\0" + block(6))),
        "png-exif-upright-and-xmp": png(chunk(b"eXIf", block(1)) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))),
        "avif-box-and-another-exif": avif_by_exif(8, box=6),
    }
