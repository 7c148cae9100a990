"""Whatever mode Pillow decodes becomes upright (H, W, 3) uint8 RGB over white, a strip at a time: no second copy of the whole is made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL.ImageFile import ImageFile

from dinolabel.vision.decoding.turns import TURNS
from dinolabel.vision.types import Pixels

STRIP = 1 << 20  # pixels handled at a time: small beside a picture, large beside the cost of a call
FULL = 65535.0  # what 16 bits can hold
DARK = 4  # a picture that uses less than this part of its range is stretched
LEVELS = 256 // DARK
SWAPPED = {";16L": ";16B", ";16B": ";16L", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}

Grey = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values that become 0 and 255. stretched: whether the picture's own lowest and highest, instead of all that its depth can hold."""

    low: float
    high: float
    stretched: bool = False

    def remark(self) -> str:
        return f"uses only {self.low:g} to {self.high:g} of its range and was stretched to be seen"


def upright_rgb(
    picture: PIL.Image.Image, turn: int, again: Callable[[], PIL.Image.Image] | None = None
) -> tuple[Pixels, ValueRange | None]:
    """The pixels, and the range when they were stretched. turn: what turns.turn_of said.

    again: opens the same picture anew, for 16-bit colour: Pillow hands out the upper eight bits, and the lower ones only when asked twice.
    """
    extent = picture.tile[0].extents if isinstance(picture, ImageFile) and picture.format == "GIF" and picture.tile else None
    deep = again is not None and is_deep_colour(picture)
    picture.load()
    if is_deep_grey(picture):
        span = _range(picture)
        pixels = _assemble_strips(picture, turn, lambda strip: _grey(strip, span))
        return pixels, span if span.stretched else None
    pixels = _assemble_strips(picture, turn, _converter(picture))
    if extent is not None:  # what a GIF's first frame leaves free is transparent
        left, top, right, bottom = extent
        pixels[:top], pixels[bottom:], pixels[:, :left], pixels[:, right:] = 255, 255, 255, 255
    if deep and again is not None and int(pixels.max()) - int(pixels.min()) <= LEVELS:
        return _combine_bytes(picture, again(), turn, pixels)
    return pixels, None


def is_deep_grey(picture: PIL.Image.Image) -> bool:
    """16 or 32 bits of grey, or floating point."""
    return picture.mode == "F" or picture.mode.startswith("I")


def is_deep_colour(picture: PIL.Image.Image) -> bool:
    """16 bits a channel in the file, of which Pillow decodes eight. To be asked before the pixels are loaded."""
    return picture.mode in {"RGB", "RGBA"} and isinstance(picture, ImageFile) and any(";16" in _rawmode(each.args) for each in picture.tile)


def _rawmode(args: object) -> str:
    return str(args[0] if isinstance(args, tuple) and args else args)


def _strips(picture: PIL.Image.Image) -> Iterator[tuple[int, int, PIL.Image.Image]]:
    """(top, bottom, rows) of the picture as it is stored, together all of it."""
    width, height = picture.size
    rows = max(1, STRIP // max(1, width))
    if rows >= height:
        yield 0, height, picture
        return
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield top, bottom, picture.crop((0, top, width, bottom))


def _assemble_strips(picture: PIL.Image.Image, turn: int, convert: Callable[[PIL.Image.Image], PIL.Image.Image]) -> Pixels:
    width, height = picture.size
    pixels = np.empty((width, height, 3) if turn > 4 else (height, width, 3), np.uint8)
    for top, bottom, strip in _strips(picture):
        rgb = convert(strip)
        _place(pixels, turn, top, bottom, height)[...] = np.asarray(rgb.transpose(TURNS[turn]) if turn in TURNS else rgb)
    return pixels


def _place(pixels: Pixels, turn: int, top: int, bottom: int, height: int) -> Pixels:
    """Where the rows `top` to `bottom` of the stored picture, `height` high, lie in the upright one."""
    if turn in {3, 4, 6, 7}:  # its first row comes last
        top, bottom = height - bottom, height - top
    return pixels[:, top:bottom] if turn > 4 else pixels[top:bottom]


def _converter(picture: PIL.Image.Image) -> Callable[[PIL.Image.Image], PIL.Image.Image]:
    if picture.has_transparency_data:
        return _over_white
    return (lambda strip: strip) if picture.mode == "RGB" else (lambda strip: strip.convert("RGB"))


def _over_white(strip: PIL.Image.Image) -> PIL.Image.Image:
    over = PIL.Image.new("RGBA", strip.size, (255, 255, 255, 255))
    over.alpha_composite(strip.convert("RGBA"))
    return over.convert("RGB")


def _grey(strip: PIL.Image.Image, span: ValueRange) -> PIL.Image.Image:
    values = np.asarray(strip)
    if values.dtype.itemsize == 2 and values.dtype.kind == "u":
        return PIL.Image.fromarray(_scale(np.arange(65536), span)[values]).convert("RGB")
    return PIL.Image.fromarray(_scale(values, span)).convert("RGB")


def _scale(values: Grey, span: ValueRange) -> npt.NDArray[np.uint8]:
    """Into 0..255. Pillow's own convert would clip everything above 255. What is no number counts as 0."""
    finite = np.clip(np.nan_to_num(values.astype(np.float64)), span.low, span.high)
    return np.floor((finite - span.low) * (255.0 / max(span.high - span.low, 1e-12)) + 0.5).astype(np.uint8)


def _range(picture: PIL.Image.Image) -> ValueRange:
    low, high, floating = np.inf, -np.inf, False
    for _, _, strip in _strips(picture):
        values = np.asarray(strip)
        floating = values.dtype.kind == "f"
        known = values[np.isfinite(values)] if floating else values
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if low > high:  # not one number in it
        return ValueRange(0.0, 1.0)
    return range_of(low, high, floating=floating)


def range_of(low: float, high: float, *, floating: bool) -> ValueRange:
    """What a picture of these lowest and highest values is shown by.

    The whole range of its depth: 0 to 1 for fractions, 0 to 65535 for counts. Its own lowest and highest where they lie outside of that, or
    where they are less than a quarter of it apart, too dark or flat to see: 12 bits in 16, counts of a thermal camera, degrees.
    """
    if low < 0 or high > FULL:
        return ValueRange(low, high)
    top = 1.0 if floating and high <= 1 else FULL
    return ValueRange(low, high, stretched=True) if low < high and (high - low) * DARK < top else ValueRange(0.0, top)


def _combine_bytes(upper: PIL.Image.Image, lower: PIL.Image.Image, turn: int, pixels: Pixels) -> tuple[Pixels, ValueRange | None]:
    """Colour of 16 bits again, with all its bits, where the upper eight hold too little to see."""
    assert isinstance(lower, ImageFile)
    if lower.mode != "RGB":  # whatever is transparent has white behind it already
        return pixels, None
    lower.tile = [each._replace(args=_other_bytes(each.args)) for each in lower.tile]
    lower.load()
    ends = [(each.min(), each.max()) for _, _, each in _wide(upper, lower)]
    span = range_of(float(min(low for low, _ in ends)), float(max(high for _, high in ends)), floating=False)
    if not span.stretched:
        return pixels, None
    table = _scale(np.arange(65536), span)
    for top, bottom, values in _wide(upper, lower):
        rgb = PIL.Image.fromarray(table[values])
        _place(pixels, turn, top, bottom, upper.height)[...] = np.asarray(rgb.transpose(TURNS[turn]) if turn in TURNS else rgb)
    return pixels, span


def _wide(upper: PIL.Image.Image, lower: PIL.Image.Image) -> Iterator[tuple[int, int, npt.NDArray[np.uint16]]]:
    """Strips of colour whose upper and lower eight bits lie in two pictures."""
    for (top, bottom, high), (_, _, low) in zip(_strips(upper), _strips(lower), strict=True):
        yield top, bottom, (np.asarray(high).astype(np.uint16) << 8) | np.asarray(low)


def _other_bytes(args: Any) -> Any:
    """A decoder's arguments with the byte order turned round, so that it takes the lower bytes for the upper ones."""
    raw = _rawmode(args)
    other = next((raw.replace(old, new) for old, new in SWAPPED.items() if old in raw), raw)
    return (other, *args[1:]) if isinstance(args, tuple) else other
