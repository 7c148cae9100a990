"""How much memory one picture may take while it is decoded: counted from its header, before a pixel is read.

Pillow bounds pixels; a pixel takes three bytes in one file and twenty-seven in another. The figures were measured as the peak of a process
(tests/unit/vision/test_budget.py), and lie above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinolabel.vision.errors import MediaUnreadable

if TYPE_CHECKING:
    import PIL.Image

USUAL_MB = 2048
RESULT = 3  # bytes a pixel of what we give
PILLOW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes a pixel in Pillow's memory by its mode; 4 for all others."""
DECODER = {"WEBP": 9, "AVIF": 16, "HEIF": 16, "JPEG2000": 16}
"""Bytes a pixel that a format's decoder takes beside, as it decodes a picture as a whole."""
PROGRESSIVE = 6  # a JPEG that arrives in passes is kept as coefficients
TURNED_TIFF = 4  # Pillow turns it as a whole
DEEP_COLOUR = 5  # 16 bits a channel are decoded a second time when the upper eight are dark
STRIPS_MB = 48  # what a strip takes on its way
_allowed = {"mb": USUAL_MB}


def allow(megabytes: int) -> None:
    """Set the bound for this process (DINOLABEL_PICTURE_MAX_MB)."""
    _allowed["mb"] = megabytes


def needed_mb(picture: PIL.Image.Image, size: int, *, turned: bool, deep: bool) -> int:
    """Memory that decoding a picture takes at most, MB of 2**20 bytes, the file's own bytes included.

    size: of the file, bytes. turned: whether it tells a turn. deep: whether it is colour of 16 bits a channel.
    """
    each = RESULT + PILLOW.get(picture.mode, 4) + DECODER.get(picture.format or "", 0)
    each += PROGRESSIVE if picture.info.get("progressive") else 0
    each += TURNED_TIFF if turned and picture.format == "TIFF" else 0
    each += DEEP_COLOUR if deep else 0
    pixels = picture.width * picture.height
    return (size >> 20) + (pixels * each >> 20) + min(STRIPS_MB, pixels * 48 >> 20)


def check(picture: PIL.Image.Image, name: str, size: int, *, turned: bool, deep: bool) -> None:
    """Raises MediaUnreadable when decoding would take more than is allowed."""
    needed = needed_mb(picture, size, turned=turned, deep=deep)
    if needed > _allowed["mb"]:
        raise MediaUnreadable(
            f"{name}, {picture.width} x {picture.height}, would take {needed:,} MB of memory; {_allowed['mb']:,} MB are allowed.",
            hint="Shrink it, cut it into tiles, or set DINOLABEL_PICTURE_MAX_MB.",
        )
