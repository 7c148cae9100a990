"""What the size of the pixels alone decides in the network, as arrays made once a size: places, windows, neighbours, proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, int]
"""Rows and columns of a feature map."""

MASKED = -100.0  # what Swin adds to the score of two places that only the cyclic shift made neighbours
LOWEST, HIGHEST = 0.01, 0.99  # a proposal whose centre or side is not between them is none, shares of the picture


@dataclass(frozen=True, slots=True)
class Windows:
    """How a map of N places is cut into W windows of A places each, for one kind of block of Swin's.

    gather: (W * A) the place of each place in a window; N is padding. back: (N) the inverse. mask: (W, 1, A, A) to add to the scores;
    None where no window mixes places that are no neighbours.
    """

    gather: Tensor
    back: Tensor
    mask: Tensor | None


@dataclass(frozen=True, slots=True)
class SwinStageArrays:
    """blocks: for the even blocks and for the odd, shifted ones. merge: (N' * 4) which four places become one in the next stage;
    N is padding, None behind the last stage."""

    blocks: tuple[Windows, Windows]
    merge: Tensor | None


@dataclass(frozen=True, slots=True)
class SamplingGrid:
    """L maps laid out in one table, each with a border of zeros one place wide, so that sampling beside a map needs no test.

    place: (P) which of the N tokens lies in a row of the table; N is border. stride: rows of the table from a token to the one below it,
    in every map. start: (L) the row of the corner of each map's border. limit_x, limit_y: (L) largest coordinate in the bordered map,
    in which the first token has coordinate 1. size: (L, 2) columns and rows.
    """

    place: Tensor
    stride: int
    start: Tensor
    limit_x: Tensor
    limit_y: Tensor
    size: Tensor


@dataclass(frozen=True, slots=True)
class SizeArrays:
    """position: (N, D) position and level embeddings. column, row: (N, L) where each token stands in the bordered map of each level.
    proposals: (N, 4) cxcywh before the sigmoid. valid: (N, 1). extra: for each level behind the backbone's, (N' * 9) the places that its
    3 x 3 convolution sees."""

    grid: SamplingGrid
    position: Tensor
    column: Tensor
    row: Tensor
    proposals: Tensor
    valid: Tensor
    extra: tuple[Tensor, ...]


def halved(shape: Shape) -> Shape:
    """The shape behind a step of two, what is left over counted."""
    return (shape[0] + 1) // 2, (shape[1] + 1) // 2


def swin_windows(shape: Shape, *, side: int, shift: int) -> Windows:
    """Windows of `side` x `side` places over a map that was shifted by `shift` places up and left."""
    height, width = (-(-each // side) * side for each in shape)
    places = _padded(shape, (0, height - shape[0], 0, width - shape[1]))
    shifted = torch.roll(places, (-shift, -shift), (0, 1))
    gather = _cut(shifted, side).reshape(-1)
    count = shape[0] * shape[1]
    back = torch.empty(count + 1, dtype=torch.long)
    back[gather] = torch.arange(len(gather))
    if not shift:
        return Windows(gather, back[:count], None)
    rows, columns = ((torch.arange(each) >= each - side).long() + (torch.arange(each) >= each - shift).long() for each in (height, width))
    region = _cut(rows[:, None] * 3 + columns, side)
    mask = torch.where(region[:, None, :] != region[:, :, None], MASKED, 0.0)
    return Windows(gather, back[:count], mask[:, None])


def swin_merge(shape: Shape) -> Tensor:
    """(N' * 4) the places that become one: upper left, lower left, upper right, lower right."""
    height, width = shape
    places = _padded(shape, (0, height % 2, 0, width % 2))
    return torch.stack([places[row::2, column::2] for column in range(2) for row in range(2)], dim=-1).reshape(-1)


def convolution_places(shape: Shape) -> Tensor:
    """(N' * 9) what a 3 x 3 convolution of stride 2 with a border of 1 sees, row by row."""
    height, width = halved(shape)
    places = _padded(shape, (1, 2, 1, 2))
    near = [places[row : row + 2 * height : 2, column : column + 2 * width : 2] for row in range(3) for column in range(3)]
    return torch.stack(near, dim=-1).reshape(-1)


def sampling_grid(shapes: Sequence[Shape]) -> SamplingGrid:
    """The table of these maps: the first as wide as the table, the others beside each other below it, as far as they fit."""
    stride = max(width for _, width in shapes) + 2
    corners, top, left, bottom = [], 0, 0, 0
    for height, width in shapes:
        if left + width + 2 > stride:
            top, left = bottom, 0
        corners.append((top, left))
        left, bottom = left + width + 2, max(bottom, top + height + 2)
    total = sum(height * width for height, width in shapes)
    place = torch.full((bottom + 2, stride), total)  # below the last border: seen with a weight of zero
    first = 0
    for (height, width), (row, column) in zip(shapes, corners, strict=True):
        tokens = torch.arange(first, first + height * width)
        place[row + 1 : row + 1 + height, column + 1 : column + 1 + width] = tokens.view(height, width)
        first += height * width
    size = torch.tensor([[width, height] for height, width in shapes]).float()
    start = torch.tensor([row * stride + column for row, column in corners]).float()
    return SamplingGrid(place.flatten(), stride, start, size[:, 0] + 1, size[:, 1] + 1, size)


def size_arrays(shapes: Sequence[Shape], *, backbone_levels: int, position_embedding: Any, level_embed: Tensor) -> SizeArrays:
    """Of the levels' shapes, the finest first. position_embedding, level_embed: the model's own."""
    grid = sampling_grid(shapes)
    centres = torch.cat([_centres(shape) for shape in shapes])
    places = (centres[:, None, :] * grid.size.double() + 0.5).float()
    seen = [torch.ones((1, *shape), dtype=torch.bool) for shape in shapes]
    embedded = [position_embedding(each[:, None], each).flatten(2)[0].T + level for each, level in zip(seen, level_embed, strict=True)]
    sides = torch.cat([torch.full((shape[0] * shape[1], 2), 0.05 * 2.0**level) for level, shape in enumerate(shapes)])
    boxes = torch.cat([torch.cat([_grid_shares(shape) for shape in shapes]), sides], dim=-1)
    valid = ((boxes > LOWEST) & (boxes < HIGHEST)).all(-1, keepdim=True)
    return SizeArrays(
        grid=grid,
        position=torch.cat(embedded),
        column=places[..., 0].contiguous(),
        row=places[..., 1].contiguous(),
        proposals=torch.log(boxes / (1 - boxes)).masked_fill(~valid, float("inf")),
        valid=valid,
        extra=tuple(convolution_places(shape) for shape in shapes[backbone_levels - 1 : -1]),
    )


def _padded(shape: Shape, pad: tuple[int, int, int, int]) -> Tensor:
    """Numbers of a map's places, and their count in its border. pad: above, below, left, right."""
    height, width = shape
    places = torch.arange(height * width).view(height, width)
    above, below, left, right = pad
    return torch.nn.functional.pad(places, (left, right, above, below), value=height * width)


def _cut(places: Tensor, side: int) -> Tensor:
    """(W, side * side) of a map whose sides are multiples of `side`."""
    height, width = places.shape
    return places.view(height // side, side, width // side, side).transpose(1, 2).reshape(-1, side * side)


def _centres(shape: Shape) -> Tensor:
    """(N, 2) x and y of the places' centres, shares of the picture, in double precision."""
    y, x = torch.meshgrid(*((torch.arange(each, dtype=torch.float64) + 0.5) / each for each in shape), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _grid_shares(shape: Shape) -> Tensor:
    """The same in single precision and transformers' order of steps: at 50 rows the first centre is the bound of 0.01 itself, so that
    rounding decides whether a proposal is one."""
    y, x = torch.meshgrid(*((torch.linspace(0, each - 1, each) + 0.5) / torch.tensor(each) for each in shape), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)
