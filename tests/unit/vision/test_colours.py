"""Colours of labels: as the project has them, else handed out as a new project would, and apart for colour-blind eyes too."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from dinolabel.vision.images.colours import GENERIC_COLOUR, NAME_COLOURS, assign_colours, colour_of, text_colour

# Severity 1.0 of Machado, Oliveira and Fernandes (2009), on linear RGB.
EYES = {
    "trichromat": np.eye(3),
    "protanope": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranope": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanope": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
# Linear RGB to OKLab (Ottosson 2020).
TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]
)
TO_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]]
)


def rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[start : start + 2], 16) for start in (1, 3, 5))


def oklab(colour: str, eyes: np.ndarray) -> np.ndarray:
    """What these eyes see of a colour, lightness 0 to 100."""
    parts = np.array(rgb(colour)) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 100 * TO_OKLAB @ np.cbrt(TO_CONES @ np.clip(eyes @ linear, 0, 1))


def nearest(colours: list[str], eyes: np.ndarray) -> float:
    seen = [oklab(each, eyes) for each in colours]
    return float(min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)))


@pytest.mark.parametrize("eyes", EYES)
def test_colours_are_told_apart_by_every_kind_of_eyes(eyes: str) -> None:
    handed_out = list(assign_colours(["face"], [f"name {number}" for number in range(10)]).values())
    assert nearest(handed_out, EYES[eyes]) >= 13, "all eleven"
    assert nearest(handed_out[:4], EYES[eyes]) >= 15, "the first four"
    bright = ["#e6194b", "#008f3c", "#9a6324", "#5c6f00", "#d81b60"]  # a palette for eyes that see all
    assert nearest(bright, EYES["deuteranope"]) < 5, "the measure sees what a colour-blind person does not"


def test_labels_get_the_colours_of_a_new_project() -> None:
    assert assign_colours(["face", "dog"], ["tom", "felix"]) == {
        "face": GENERIC_COLOUR, "tom": NAME_COLOURS[0], "felix": NAME_COLOURS[1], "dog": NAME_COLOURS[2],
    }  # fmt: skip
    assert assign_colours([], []) == {}
    assert len(set(assign_colours(["face"], map(str, range(10))).values())) == 11


def test_colours_that_are_known_stay_and_are_given_to_nobody_else() -> None:
    given = assign_colours(["face"], ["tom", "felix"], {"tom": "#123456", "other": NAME_COLOURS[0]})
    assert given == {"face": GENERIC_COLOUR, "tom": "#123456", "other": NAME_COLOURS[0], "felix": NAME_COLOURS[1]}
    assert assign_colours(["cat"], (), {"face": GENERIC_COLOUR})["cat"] == NAME_COLOURS[0], "amber is taken"


def test_captions_can_be_read_on_the_colours_that_are_handed_out() -> None:
    for background in (GENERIC_COLOUR, *NAME_COLOURS):
        dark, light = sorted((luminance(background), luminance(text_colour(background))))
        assert (light + 0.05) / (dark + 0.05) >= 4.0, background


def test_colours_are_fixed_and_apart() -> None:
    assert [colour_of(each) for each in ("jason", "lacy", "face")] == ["#e25136", "#74bb1b", "#bb241b"]
    names = ["jason", "lacy", "face", "cat face", "dog", "tom", "felix", "maria"]
    distances = [np.abs(np.subtract(rgb(colour_of(one)), rgb(colour_of(other)))).sum() for one, other in itertools.combinations(names, 2)]
    assert min(distances) > 40
    assert all(re.fullmatch("#[0-9a-f]{6}", colour_of(each)) for each in ("", "größe", "模型"))


def luminance(text: str) -> float:
    parts = [each / 255 for each in rgb(text)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_captions_can_be_read_on_every_label_colour() -> None:
    for number in range(500):
        background = colour_of(f"label {number}")
        dark, light = sorted((luminance(background), luminance(text_colour(background))))
        assert (light + 0.05) / (dark + 0.05) >= 4.0, background
