"""Colours of labels: those a label config says, else handed out so that colour-blind people tell them apart.

The same label has the same colour in a picture, a film, a report and Label Studio's editor. Names stand beside colours everywhere: with
many labels no set of colours is enough for everybody.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Iterable, Mapping

DARK, LIGHT = "#16181d", "#ffffff"
EVEN_LUMINANCE = 0.199  # of a background on which both read alike, at a contrast of 4.2
LIGHTNESSES = (0.42, 0.55, 0.68)

# Eleven colours that stay apart for red-blind, green-blind and blue-blind eyes, found by search: the least distance of any two is 13.3 in
# OKLab (of 100) whoever looks, and 15 among the first four. They differ in lightness, too, so some are dark: those come last, since
# they are hardly seen on a dark picture.
GENERIC_COLOUR = "#e69f00"  # amber: this one still wants a name
NAME_COLOURS = ("#a54bff", "#2d8796", "#961e00", "#d24b0f", "#00c3a5", "#7800c3", "#b496ff", "#005a69", "#2d0f78", "#5a001e")


def next_colour(used: Iterable[str]) -> str:
    """The first of NAME_COLOURS that is used least."""
    taken = [each.lower() for each in used]
    return min(NAME_COLOURS, key=taken.count)


def assign_colours(generic: Iterable[str], names: Iterable[str] = (), known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Label -> #rrggbb, as a new project of these labels has them in Label Studio.

    generic: labels that say what was found, the first one amber where that is free. names: who it is. known: label -> colour that is there.
    """
    colours = dict(known or {})
    found = [*generic]
    if found and found[0] not in colours and GENERIC_COLOUR not in colours.values():
        colours[found[0]] = GENERIC_COLOUR
    for each in (*names, *found):
        if each not in colours:
            colours[each] = next_colour(colours.values())
    return colours


def colour_of(label: str, colours: Mapping[str, str] | None = None) -> str:
    """The label's colour as #rrggbb; of one that is not among them the same for ever, whatever other labels there are."""
    if colours and label in colours:
        return colours[label]
    digest = hashlib.sha256(label.encode()).digest()
    hue = int.from_bytes(digest[:4], "big") / 2**32
    rgb = colorsys.hls_to_rgb(hue, LIGHTNESSES[digest[4] % len(LIGHTNESSES)], 0.75)
    return "#" + "".join(f"{round(255 * each):02x}" for each in rgb)


def text_colour(background: str) -> str:
    """Dark or light, whichever contrasts more with the background (relative luminance of WCAG 2.2)."""
    channels = (int(background[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return DARK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > EVEN_LUMINANCE else LIGHT
