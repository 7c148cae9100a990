"""Label colours: what Label Studio's editor (1.23.2) draws each label of a label config in.

A label's `background` counts. One without it gets a colour of its own value: hue from a generator that the value seeds, saturation 0.4,
value 0.75 (`make_color` of the library PleaseJS with the label as seed, whose generator is RC4 keyed by the text).
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import PIL.ImageColor

GOLDEN = 0.618033988749895
SATURATION, VALUE = 0.4, 0.75
UNSAID = "#36b37e"
"""Label Studio's default; one that is written out counts as none."""


def label_colours(tags: Mapping[str, Element]) -> dict[str, str]:
    """Label -> #rrggbb. tags: label -> its Label tag. A background that no browser knows counts as none."""
    return {label: _said(tag.get("background", "")) or seeded_colour(label) for label, tag in tags.items()}


def seeded_colour(label: str) -> str:
    """The colour of a label that says none."""
    place = int(_seeded_number(label) * 361)
    hue = (place + place / GOLDEN) % 360
    rgb = colorsys.hsv_to_rgb(hue / 360, SATURATION, VALUE)
    return "#" + "".join(f"{int(255 * each):02x}" for each in rgb)


def _said(background: str) -> str | None:
    if not background.strip() or background.strip().lower() == UNSAID:
        return None
    try:
        red, green, blue = PIL.ImageColor.getrgb(background.strip())[:3]
    except ValueError:
        return None
    return f"#{red:02x}{green:02x}{blue:02x}"


def _seeded_number(text: str) -> float:
    """The first number, 0 to 1, of RC4 keyed by the text's UTF-16 units, eight bytes of it, the lowest first."""
    units = [int.from_bytes(pair, "little") for pair in zip(*[iter(text.encode("utf-16-le", "surrogatepass"))] * 2, strict=True)]
    state, at = list(range(256)), 0
    for place in range(256 if units else 0):
        at = (at + state[place] + units[place % len(units)]) % 256
        state[place], state[at] = state[at], state[place]
    total, first, second = 0.0, 0, 0
    for power in range(8):
        first = (first + 1) % 256
        second = (second + state[first]) % 256
        state[first], state[second] = state[second], state[first]
        total += state[(state[first] + state[second]) % 256] * 256.0**power
    return total / 2.0**64
