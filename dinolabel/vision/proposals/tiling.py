"""Small things in large pictures: a detector that looks at the whole and at overlapping tiles of it.

Wraps any detector and is one itself, so cache, thresholds and suppression work as ever; knows no model by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, top_k
from dinolabel.vision.protocols import Detector, unknown_phrases
from dinolabel.vision.types import Box, Image, Pixels, Prompt

MOST_IN_TILES = 3 * MAX_CANDIDATES
"""A picture that is worth tiling has more to show than one pass proposes."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """side: of a tile, pixels; pictures that fit into one tile are not tiled. overlap: of neighbours, as a share of the side.

    touching: a box this near (pixels) to a tile's inner edge is taken for a thing that the edge cuts; the neighbour has it whole.
    """

    side: int = 640
    overlap: float = 0.25
    touching: float = 2.0

    def __post_init__(self) -> None:
        if self.side < 64 or not 0 <= self.overlap < 0.9:
            raise ValueError(f"expected a side of 64 or more and an overlap in 0..0.9, got {self}")


class TiledDetector:
    """The detector inside, asked once for the whole picture and once for each tile of a larger one."""

    def __init__(self, inside: Detector, tiling: Tiling = Tiling()) -> None:
        self.inside = inside
        self.tiling = tiling
        self.name = f"{inside.name}-tiled"
        self.digest = hashlib.sha256(f"{inside.digest} {tiling}".encode()).hexdigest()

    @property
    def weights(self) -> str:
        return self.inside.weights

    @property
    def device(self) -> str:
        return self.inside.device

    @property
    def precision(self) -> str:
        return self.inside.precision

    @property
    def engine(self) -> str:
        return getattr(self.inside, "engine", "")

    @property
    def engine_remark(self) -> str:
        return getattr(self.inside, "engine_remark", "")

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        return unknown_phrases(self.inside, prompt)

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of the whole and of each tile, in the whole picture's pixels; tiles are looked at one after the other, so memory stays flat."""
        wholes = self.inside.candidates(images, prompt, floor=floor, most=most)
        return [top_k([*whole, *self._in_tiles(image, prompt, floor)], floor=floor, most=max(most, MOST_IN_TILES))
                for image, whole in zip(images, wholes, strict=True)]  # fmt: skip

    def _in_tiles(self, image: Image, prompt: Prompt, floor: float) -> Iterator[Candidate]:
        corners = list(tiles(image.width, image.height, self.tiling))
        if len(corners) < 2:
            return
        pixels = image.pixels
        for tile in corners:
            (found,) = self.inside.candidates([_cut(pixels, tile)], prompt, floor=floor, most=MAX_CANDIDATES)
            for each in found:
                moved = Box(each.box.x1 + tile[0], each.box.y1 + tile[1], each.box.x2 + tile[0], each.box.y2 + tile[1])
                if not _cut_by(moved, tile, image, self.tiling.touching):
                    yield replace(each, box=moved)


def tiles(width: int, height: int, tiling: Tiling) -> Iterator[tuple[int, int, int, int]]:
    """x1, y1, x2, y2 (pixels) of tiles that cover a picture: equal in size, evenly spread, at least `overlap` in common."""
    for y1, y2 in _spans(height, tiling):
        for x1, x2 in _spans(width, tiling):
            yield x1, y1, x2, y2


def _spans(length: int, tiling: Tiling) -> list[tuple[int, int]]:
    if length <= tiling.side:
        return [(0, length)]
    step = tiling.side * (1 - tiling.overlap)
    count = 1 + -(-(length - tiling.side) // max(1, int(step)))
    starts = [round(number * (length - tiling.side) / (count - 1)) for number in range(count)]
    return [(start, start + tiling.side) for start in starts]


def _cut(pixels: Pixels, tile: tuple[int, int, int, int]) -> Image:
    x1, y1, x2, y2 = tile
    return Image.from_array(pixels[y1:y2, x1:x2])


def _cut_by(box: Box, tile: tuple[int, int, int, int], image: Image, near: float) -> bool:
    """Whether it ends at an edge of the tile that is not an edge of the picture."""
    x1, y1, x2, y2 = tile
    return (
        (x1 > 0 and box.x1 - x1 <= near)
        or (y1 > 0 and box.y1 - y1 <= near)
        or (x2 < image.width and x2 - box.x2 <= near)
        or (y2 < image.height and y2 - box.y2 <= near)
    )
