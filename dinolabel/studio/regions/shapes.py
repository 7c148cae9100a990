"""What an entry of a result marks in a picture: a box, an outline, a brush, …, or nothing, and the upright hull of it."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]
Hull = tuple[float, float, float, float]
"""x1, y1, x2, y2 in percent of the picture, not clipped; a point's has no area."""

KINDS = {
    "rectangle": "box",
    "polygon": "outline",
    "ellipse": "ellipse",
    "keypoint": "key point",
    "brush": "brush",
    "bitmask": "brush",
    "magicwand": "brush",
    "vector": "line",
    "polyline": "line",
    "line": "line",
}
"""Label Studio's tags that mark a place in a picture; each has a twin that ends in `labels`."""

PLACELESS = frozenset(
    (
        *("textarea", "text", "number", "choices", "rating", "datetime", "taxonomy", "relation", "pairwise", "ranker"),
        *("hypertextlabels", "paragraphlabels", "timeserieslabels", "timelinelabels", "paragraphs", "audio"),
        *("chat", "table", "prompt", "shortcut", "reactcode"),
    )
)
"""Answers about a region, or about the whole task: those about a region repeat its place."""

OUTLINES = ("points", "vertices", "path", "contour", "segmentation")
MASKS = ("rle", "imageDataURL", "maskDataURL", "mask")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
LARGEST = 50_000_000  # pixels of a mask that are looked at


def number(value: Any) -> float | None:
    """A finite number, also one that somebody's script wrote as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def label_tag_of(entry: Entry) -> str:
    """The entry's type without `labels`: `rectangle`, `polygon`, …; empty for a bare `labels`."""
    return str(entry.get("type") or "").lower().removesuffix("labels")


def kind_of(entry: Entry) -> str | None:
    """What the entry marks in a picture, in a word or two; None when it marks no place in it: words, numbers, choices, relations, films.

    A type that we do not know marks a place when its value says where.
    """
    name, value = label_tag_of(entry), entry.get("value")
    if name in KINDS:
        return KINDS[name]
    if name.startswith("video") or str(entry.get("type")).lower() in PLACELESS or not isinstance(value, Mapping):
        return None
    if any(value.get(each) for each in MASKS):
        return "brush"
    if any(isinstance(value.get(each), list) for each in OUTLINES):
        return "outline"
    if {"x", "y"} <= value.keys():
        return "box" if not name and {"width", "height"} <= value.keys() else "unknown shape"
    return "unknown shape" if isinstance(value.get("bbox"), list) else None


def names_of(entry: Any) -> list[str]:
    """Every name that an entry gives to what it marks, in order: a rectangle, an outline, a brush, a film's, or `Labels` beside a shape."""
    value = entry.get("value") if isinstance(entry, Mapping) else None
    if not isinstance(value, Mapping):
        return []
    given = (each for key, each in value.items() if str(key).lower().endswith("labels"))
    names = (name for each in given for name in ([each] if isinstance(each, str) else each if isinstance(each, list) else ()))
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def hull(entry: Entry) -> Hull | None:
    """The upright rectangle round what the entry marks; None when that cannot be told."""
    value = entry.get("value")
    if not isinstance(value, Mapping):
        return None
    aspect = _aspect(entry)
    found = _around_corners(value, aspect) or _around_ellipse(value, aspect) or _around_points(value) or _around_mask(entry, value)
    x, y = number(value.get("x")), number(value.get("y"))
    return found or (None if x is None or y is None else (x, y, x, y))


def _aspect(entry: Entry) -> float:
    width, height = number(entry.get("original_width")), number(entry.get("original_height"))
    return width / height if width and height and width > 0 and height > 0 else 1.0


def _around_corners(value: Entry, aspect: float) -> Hull | None:
    x, y, width, height = (number(value.get(name)) for name in ("x", "y", "width", "height"))
    if x is None or y is None or width is None or height is None:
        return None
    turn = math.radians((number(value.get("rotation")) or 0.0) % 360)
    cos, sin = math.cos(turn), math.sin(turn)
    # percent is not isotropic: what turns to the side changes its unit
    across = (0.0, width * cos, width * cos - height * sin / aspect, -height * sin / aspect)
    down = (0.0, width * sin * aspect, width * sin * aspect + height * cos, height * cos)
    return _around(zip((x + each for each in across), (y + each for each in down), strict=True))


def _around_ellipse(value: Entry, aspect: float) -> Hull | None:
    x, y, across, down = (number(value.get(name)) for name in ("x", "y", "radiusX", "radiusY"))
    if x is None or y is None or across is None or down is None:
        return None
    turn = math.radians((number(value.get("rotation")) or 0.0) % 360)
    right = math.hypot(across * math.cos(turn), down * math.sin(turn) / aspect)
    below = math.hypot(across * math.sin(turn) * aspect, down * math.cos(turn))
    return (x - right, y - below, x + right, y + below)


def _around_points(value: Entry) -> Hull | None:
    listed: list[Any] = next((value[each] for each in OUTLINES if isinstance(value.get(each), list)), [])
    points = [_point(each) for each in listed]
    return _around(each for each in points if each is not None)


def _point(entry: Any) -> tuple[float, float] | None:
    x, y = (entry.get("x"), entry.get("y")) if isinstance(entry, Mapping) else entry[:2] if _pair(entry) else (None, None)
    across, down = number(x), number(y)
    return None if across is None or down is None else (across, down)


def _pair(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) >= 2


def _around_mask(entry: Entry, value: Entry) -> Hull | None:
    """Of a brush: Label Studio's own run lengths (four channels, the last one is what was painted), or a picture in the address."""
    import numpy as np

    try:
        alpha = _run_lengths(entry, value["rle"]) if isinstance(value.get("rle"), list) else _mask_bounds(value)
    except (ValueError, TypeError, IndexError, OSError):
        return None
    if alpha is None:
        return None
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not len(rows):
        return None
    high, wide = alpha.shape
    left, top, right, bottom = (int(each) for each in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return (100 * left / wide, 100 * top / high, 100 * right / wide, 100 * bottom / high)


def _run_lengths(entry: Entry, rle: list[int]) -> Any:
    wide, high = number(entry.get("original_width")), number(entry.get("original_height"))
    if not wide or not high or wide * high > LARGEST or int.from_bytes(bytes(rle[:4])) != 4 * wide * high:
        return None
    from dinolabel.studio.regions.validation import brush_values

    return brush_values(rle).reshape(int(high), int(wide), 4)[:, :, 3]


def _mask_bounds(value: Entry) -> Any:
    address = next((str(value[each]) for each in MASKS if isinstance(value.get(each), str)), "")
    if not address.startswith("data:"):
        return None
    import numpy as np
    import PIL.Image

    with PIL.Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        if picture.width * picture.height > LARGEST:
            return None
        return np.asarray(picture.convert("RGBA").getchannel("A") if "A" in picture.getbands() else picture.convert("L"))


def _around(points: Iterable[tuple[float, float]]) -> Hull | None:
    listed = list(points)
    if not listed:
        return None
    xs, ys = zip(*listed, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))
