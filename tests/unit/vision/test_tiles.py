"""Tiles: every pixel is covered, small things are found where they are, and what an edge cuts is left to the neighbour."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.proposals.tiling import TiledDetector, Tiling, tiles
from dinolabel.vision.types import Box, Image, Prompt


class Shortsighted:
    """Finds white squares, but only those that make up a tenth of the picture's side: as a detector that shrinks its input."""

    name, digest, weights, device, precision = "short", "s" * 64, "short", "cpu", "float32"

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        return [[*self._of(image, prompt.phrases[0])][:most] for image in images]

    def _of(self, image: Image, phrase: str) -> list[Candidate]:
        import cv2

        contours, _ = cv2.findContours((image.pixels[..., 0] > 128).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [cv2.boundingRect(each) for each in contours]
        seen = [(x, y, w, h) for x, y, w, h in boxes if max(w, h) >= max(image.width, image.height) / 10]
        return [Candidate(Box(x, y, x + w, y + h), phrase, 0.8, 0.8) for x, y, w, h in seen]


def crowd(width: int = 1500, height: int = 900, side: int = 40, step: int = 150) -> tuple[Image, list[Box]]:
    pixels = np.zeros((height, width, 3), np.uint8)
    boxes = [Box(x, y, x + side, y + side) for y in range(55, height - side, step) for x in range(55, width - side, step)]
    for each in boxes:
        x1, y1, x2, y2 = map(int, each.xyxy)
        pixels[y1:y2, x1:x2] = 255
    return Image.from_array(pixels), boxes


@pytest.mark.parametrize(("width", "height"), [(100, 100), (320, 320), (321, 50), (1000, 777), (4032, 3024)])
def test_every_pixel_is_in_a_tile_and_neighbours_overlap(width: int, height: int) -> None:
    covered = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in tiles(width, height, Tiling(320)):
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        assert (x2 - x1, y2 - y1) == (min(320, width), min(320, height))
        covered[y1:y2, x1:x2] = True
    assert covered.all()
    starts = sorted({x1 for x1, *_ in tiles(width, height, Tiling(320))})
    assert all(later - earlier <= 240 for earlier, later in itertools.pairwise(starts))


def test_a_crowd_is_found_once_each_where_it_is() -> None:
    image, boxes = crowd()
    (plain,) = Pipeline(Shortsighted()).predict([image], "dot")
    assert plain == [], "the whole picture is too coarse for them"
    (found,) = Pipeline(TiledDetector(Shortsighted(), Tiling(320))).predict([image], "dot")
    assert sorted(each.box.xyxy for each in found) == sorted(each.xyxy for each in boxes)
    assert len(found) >= 30


def test_a_thing_larger_than_a_tile_is_the_whole_pictures() -> None:
    image, boxes = crowd(side=600, step=2000)
    (found,) = Pipeline(TiledDetector(Shortsighted(), Tiling(320))).predict([image], "dot")
    assert [each.box for each in found] == boxes


def test_a_small_picture_is_looked_at_once() -> None:
    image = Image.from_array(np.zeros((200, 300, 3), np.uint8))
    asked: list[int] = []
    detector = Shortsighted()
    plain = detector.candidates
    detector.candidates = lambda images, *a, **k: asked.append(len(images)) or plain(images, *a, **k)  # type: ignore[method-assign]
    TiledDetector(detector, Tiling(320)).candidates([image], Prompt(("dot",)))
    assert asked == [1]


def test_answers_of_other_tilings_are_other_answers() -> None:
    digests = {Shortsighted.digest, TiledDetector(Shortsighted()).digest, TiledDetector(Shortsighted(), Tiling(320)).digest}
    assert len(digests) == 3


def test_no_nonsense() -> None:
    with pytest.raises(ValueError, match="side"):
        Tiling(10)
