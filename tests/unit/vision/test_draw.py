"""Annotated copies: what is drawn where, in which colour, and that names of all alphabets we can write are written."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from dinolabel.vision.images.annotation import caption, draw, font_file
from dinolabel.vision.images.colours import colour_of
from dinolabel.vision.types import Box, Detection, Named, Unknown

CAT = Detection(Box(30, 40, 90, 100), "cat", 0.5)


def grey(width: int = 160, height: int = 120) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[start : start + 2], 16) for start in (1, 3, 5))


def test_a_copy_with_the_label_colour_on_the_edges() -> None:
    pixels = grey()
    drawn = draw(pixels, [CAT], lambda _: "cat")
    assert (pixels == 128).all()
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8
    for x, y in ((30, 70), (60, 100), (90, 70)):
        assert tuple(drawn[y, x]) == rgb(colour_of("cat"))
    assert (drawn[60:95, 35:85] == 128).all(), "the inside stays to be seen"
    assert (drawn[:, 130:] == 128).all()


def test_what_has_no_label_is_not_drawn() -> None:
    assert np.array_equal(draw(grey(), [CAT], lambda _: None), grey())
    assert np.array_equal(draw(grey(), [], lambda _: "cat"), grey())


def test_pixels_that_cannot_be_written_are_fine() -> None:
    pixels = grey()
    pixels.flags.writeable = False
    assert not np.array_equal(draw(pixels, [CAT], lambda _: "cat"), pixels)


def test_the_same_twice() -> None:
    assert np.array_equal(draw(grey(), [CAT], lambda _: "cat"), draw(grey(), [CAT], lambda _: "cat"))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (40, 30), (5000, 300)])
def test_any_size(width: int, height: int) -> None:
    box = Box(0, 0, width, height)
    drawn = draw(grey(width, height), [Detection(box, "a phrase much longer than the picture is wide", 0.9)], lambda each: each.phrase)
    assert drawn.shape == (height, width, 3)
    assert not np.array_equal(drawn, grey(width, height))


def test_lines_grow_with_the_picture() -> None:
    def thickness(scale: int) -> int:
        box = Box(*(scale * each for each in CAT.box.xyxy))
        drawn = draw(grey(160 * scale, 120 * scale), [Detection(box, "cat", 0.5)], lambda _: "cat")
        return int((drawn[70 * scale, : 60 * scale] != 128).any(axis=1).sum())

    assert thickness(1) <= 2
    assert thickness(20) >= 6


@pytest.mark.parametrize(
    ("detection", "wanted"),
    [
        (CAT, "tom 0.50"),
        (CAT.with_answer(Named("tom", 0.987)), "tom 0.99"),
        (CAT.with_answer(Unknown("tom", 0.7)), "tom 0.50"),
    ],
)
def test_caption_says_confidence_of_a_name_else_the_score(detection: Detection, wanted: str) -> None:
    assert caption("tom", detection) == wanted


def test_the_colours_of_a_project_are_used_for_its_labels() -> None:
    drawn = draw(grey(), [CAT], lambda _: "cat", colours={"cat": "#123456", "dog": "#ffffff"})
    assert tuple(drawn[70, 30]) == (0x12, 0x34, 0x56)


@pytest.mark.parametrize("letter", ["ü", "ñ", "ł", "я", "λ"])
def test_letters_beyond_ascii_have_a_glyph(letter: str) -> None:
    font = PIL.ImageFont.truetype(font_file(letter), 30)
    assert bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))
