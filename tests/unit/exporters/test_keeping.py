"""What is left out of a video's crops, and what is not."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest

from dinolabel.exporters.video_crops.filters import CropFilters, ScoredCrop, drop_blurred, drop_near_duplicates
from dinolabel.vision.images.sharpness import sharpness
from dinolabel.vision.types import Box


def looks(*sharpnesses: float) -> list[ScoredCrop[int]]:
    return [ScoredCrop(at, each, at << 20) for at, each in enumerate(sharpnesses)]


def test_blur_is_measured_against_the_same_video() -> None:
    rules = CropFilters(sharpness=0.25)
    assert [each.thing for each in drop_blurred(looks(100, 90, 110, 20, 105), rules)] == [0, 1, 2, 4]
    assert [each.thing for each in drop_blurred(looks(1.0, 0.9, 1.1, 0.2, 1.05), rules)] == [0, 1, 2, 4]  # a soft camera
    assert len(drop_blurred(looks(100, 90, 110, 20, 105), CropFilters(sharpness=0))) == 5
    assert len(drop_blurred(looks(100, 1), rules)) == 2  # too few to say


def test_a_copy_of_an_earlier_crop_goes() -> None:
    seen: list[int] = []
    made = [
        ScoredCrop(name, 1.0, print_) for name, print_ in (("a", 0), ("near a", 0b111), ("b", (1 << 40) - 1), ("near b", (1 << 39) - 1))
    ]
    assert [each.thing for each in drop_near_duplicates(made, seen, CropFilters(near=6))] == ["a", "b"]
    assert len(seen) == 2
    assert drop_near_duplicates([ScoredCrop("near a again", 1.0, 0b1)], seen, CropFilters(near=6)) == []  # in another video of the class
    assert len(drop_near_duplicates(made, [], CropFilters(near=-1))) == 4


@pytest.mark.parametrize(("box", "large"), [(Box(0, 0, 24, 99), True), (Box(0, 0, 99, 23.5), False)])
def test_the_shorter_side_counts(box: Box, large: bool) -> None:
    assert CropFilters(min_side=24).large(box) is large


@pytest.mark.parametrize("side", [64, 128, 400])
def test_blurring_a_picture_makes_it_less_sharp_at_any_size(side: int) -> None:
    rng = np.random.default_rng(0)
    squares = PIL.Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side), PIL.Image.Resampling.NEAREST)
    blurred = squares.filter(PIL.ImageFilter.GaussianBlur(side / 32))
    assert sharpness(np.asarray(blurred)) < 0.25 * sharpness(np.asarray(squares))
    assert sharpness(np.full((side, side, 3), 99, np.uint8)) == 0
