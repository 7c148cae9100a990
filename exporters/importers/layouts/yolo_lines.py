"""One line of a YOLO label file: an upright box, an oriented one, or an outline whose hull is the box; else why it is none of them.

Coordinates are shares of the picture's sides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from dinolabel.exporters.importers.common.marks import ImportedMark, corners
from dinolabel.studio.regions.unread import Unread

ROUNDING = 0.01
"""How far outside 0 to 1 a share may be; trainers allow as much."""


def mark_of(line: str, labels: Mapping[int, str | None], source: str, *, keypoints: int = 0) -> ImportedMark | Unread:
    """keypoints: how many numbers for key points follow each box. Points of the mark are shares."""
    first, *rest = line.split()
    try:
        number, values = float(first), [float(each) for each in rest]
    except ValueError:
        return Unread(source, "no numbers", f"it makes no sense: {line.strip()[:60]!r}")
    if not all(map(math.isfinite, (number, *values))):
        return Unread(source, "no numbers", f"it holds a number that is none: {line.strip()[:60]!r}")
    if number != int(number) or int(number) not in labels:
        return Unread(source, "unknown class", f"it makes no sense: class {first} has no name")
    label = labels[int(number)]
    found = _shape(values, rest, keypoints)
    if isinstance(found, str):
        return Unread(source, "columns", found)
    shares, upright = found
    if max(shares) > 1 + ROUNDING:
        return Unread(source, "pixels", f"{max(shares):g} is no share of a picture's side; shares are 0 to 1, these look like pixels")
    if min(shares) < -ROUNDING:
        return Unread(source, "negative", f"{min(shares):g} is negative")
    if not upright:
        points = tuple(zip(shares[0::2], shares[1::2], strict=True))
        return ImportedMark(label, points, source, turned=len(points) == 4)
    x, y, width, height = shares
    if width <= 0 or height <= 0:
        return Unread(source, "no size", "its width or height is 0")
    return ImportedMark(label, corners(x - width / 2, y - height / 2, width, height), source)


def _shape(values: list[float], texts: list[str], keypoints: int) -> tuple[list[float], bool] | str:
    """The shares that say where it is, and whether they are middle and size; or why that is not clear.

    A number at the end is a confidence or a track: after a box of four, after corners and outlines of an even count. Six numbers are a
    triangle, or a box with both, which a track number beyond 1 tells.
    """
    count = len(values)
    if (keypoints and count in (4 + keypoints, 5 + keypoints)) or _has_visibilities(texts):
        return values[:4], True
    if count == 4:
        return values, True
    if count == 5:
        extra = values[4]
        if 0 <= extra <= 1 or (extra > 1 and extra == int(extra)):
            return values[:4], True
        return f"its sixth number {texts[4]} is neither a confidence nor a track"
    if count == 6 and texts[5].isdigit() and values[5] > 1 and 0 <= values[4] <= 1:
        return values[:4], True
    if count == 6 and texts[5] == "1" and all("." in each for each in texts[:5]):
        return "it may be an outline, or a box with confidence and track"
    if count >= 6 and count % 2 == 0:
        return values, False
    if count >= 9 and 0 <= values[-1] <= 1:
        return values[:-1], False
    return f"it has {count} numbers after the class; boxes have 4, oriented ones 8, outlines an even count of 6 or more"


def _has_visibilities(texts: list[str]) -> bool:
    """Whether key points follow a box, each with whether it is seen: 0, 1 or 2, and no fraction as all other numbers are."""
    seen, others = texts[6::3], [*texts[:4], *texts[4::3], *texts[5::3]]
    told = all(each in ("0", "1", "2") for each in seen) and all("." in each or "e" in each for each in others)
    return len(texts) % 3 == 1 and told and (len(seen) > 2 or "2" in seen)
