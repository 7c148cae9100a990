"""What the one cut gives, in rows that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pytest

from dinolabel.vision.errors import MediaError
from dinolabel.vision.images.cropping import GREY, cut
from dinolabel.vision.types import Box, CropPolicy

HEIGHT, WIDTH = 60, 100


def numbered() -> np.ndarray:
    """Red is x, green is y, blue is 200: a crop shows where it came from."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x, y, np.full_like(x, 200)], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("box", "margin", "side", "corner"),
    [
        (Box(40, 20, 60, 40), 0.0, 20, (40, 20)),
        (Box(40, 20, 60, 40), 0.2, 24, (38, 18)),
        (Box(40, 20, 50, 40), 0.0, 20, (35, 20)),  # narrow: real surroundings left and right
        (Box(40, 25, 60, 35), 0.0, 20, (40, 20)),  # flat: above and below
        (Box(40.25, 20, 60.25, 40), 0.0, 20, (40, 20)),  # a quarter pixel does not move it
        (Box(40.5, 20, 60.5, 40), 0.0, 20, (41, 20)),  # halves go up
        (Box(41.5, 20, 61.5, 40), 0.0, 20, (42, 20)),  # everywhere alike
        (Box(40, 20, 40.25, 20.25), 0.0, 1, (40, 20)),
    ],
)
def test_window(box: Box, margin: float, side: int, corner: tuple[int, int]) -> None:
    crop = cut(numbered(), box, CropPolicy(margin=margin))
    assert crop.pixels.shape == (side, side, 3)
    assert tuple(crop.pixels[0, 0]) == (*corner, 200)
    assert tuple(crop.pixels[-1, -1]) == (corner[0] + side - 1, corner[1] + side - 1, 200)


@pytest.mark.parametrize(
    ("box", "outside", "inside"),
    [
        (Box(0, 20, 10, 40), (10, 0), (10, 10)),  # over the left edge
        (Box(90, 20, 100, 40), (10, 19), (10, 9)),
        (Box(40, 0, 60, 10), (0, 10), (10, 10)),
        (Box(40, 50, 60, 60), (19, 10), (9, 10)),
        (Box(0, 0, WIDTH, HEIGHT), (0, 50), (50, 50)),  # the whole image: grey above
    ],
)
def test_grey_where_the_image_ends(box: Box, outside: tuple[int, int], inside: tuple[int, int]) -> None:
    crop = cut(numbered(), box, CropPolicy(margin=0.0))
    assert tuple(crop.pixels[outside]) == GREY
    assert crop.pixels[inside][2] == 200


def test_large_crops_are_averaged_down() -> None:
    board = np.zeros((64, 64, 3), np.uint8)
    board[::2, ::2] = 255
    board[1::2, 1::2] = 255
    crop = cut(board, Box(0, 0, 64, 64), CropPolicy(margin=0.0, max_side=32))
    assert crop.pixels.shape == (32, 32, 3)
    assert np.unique(crop.pixels).tolist() in ([127], [128])  # every 2x2 block is half white: picking pixels would give 0 or 255


def test_small_crops_are_not_enlarged() -> None:
    assert cut(numbered(), Box(10, 10, 18, 18), CropPolicy(margin=0.0)).pixels.shape == (8, 8, 3)


def test_percent_noise_changes_no_pixel() -> None:
    box = Box(13.25, 7.75, 41.5, 38.0)
    shaken = Box(*(each + 1e-6 for each in box.xyxy))
    assert np.array_equal(cut(numbered(), box, CropPolicy()).pixels, cut(numbered(), shaken, CropPolicy()).pixels)


def test_input_is_left_alone_and_output_is_a_copy() -> None:
    pixels = numbered()
    before = pixels.copy()
    cut(pixels, Box(10, 10, 30, 30), CropPolicy()).pixels[:] = 0
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("box", [Box(200, 10, 220, 30), Box(-50, 10, -30, 30), Box(10, 100, 30, 120)])
def test_a_box_of_another_picture(box: Box) -> None:
    with pytest.raises(MediaError, match="outside its picture of 100x60") as caught:
        cut(numbered(), box, CropPolicy())
    assert "draw it again" in caught.value.hint
