"""Batches for a student: pictures turned into squares, each time seen a little otherwise.

Batch number i of a seed is always the same, so that a training that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from dinolabel.training.distillation.dense_loss import Targets
from dinolabel.training.distillation.examples import Example
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.detectors.student import square

SIZE = 12
SCALE = (0.75, 1.3)
LEAST = 12.0  # pixels of a box's short side below which a picture is not shrunk further
ASPECT = 0.12  # standard deviation of the logarithm
SEEN = 0.35  # of a box inside the frame, to be asked for
LIGHT, CONTRAST = 0.12, 0.25
GREY = 128.0
KEPT_BYTES = 1 << 30  # of pixels in memory; beyond, pictures are decoded each time

Rng = np.random.Generator


@dataclass(frozen=True)
class View:
    """From a picture to what is shown of it, in coordinates -1 to 1: x' = scale_x * x + shift_x; a negative scale_x mirrors."""

    scale: tuple[float, float]
    shift: tuple[float, float]

    @classmethod
    def draw(cls, rng: Rng, example: Example, side: int) -> View:
        sizes = (example.boxes[:, 2:] - example.boxes[:, :2]).min(axis=1) * side if len(example.boxes) else np.array([side])
        lowest = min(1.0, max(SCALE[0], LEAST / max(float(sizes.min()), 1e-3)))
        size, aspect = rng.uniform(lowest, SCALE[1]), np.exp(rng.normal(0, ASPECT) / 2)
        x, y = float(size * aspect), float(size / aspect)
        shift = tuple(float(rng.uniform(-1, 1) * abs(each - 1)) for each in (x, y))
        return cls((x if rng.random() < 0.5 else -x, y), (shift[0], shift[1]))

    def theta(self) -> list[list[float]]:
        """For torch's affine_grid, which asks where a shown point comes from."""
        (x, y), (right, down) = self.scale, self.shift
        return [[1 / x, 0.0, -right / x], [0.0, 1 / y, -down / y]]

    def boxes(self, boxes: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(M, 4) xyxy shares as they are shown, cut to the frame, as cx cy w h; and (M,) the share of each that is seen."""
        if not len(boxes):
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        corners = (boxes.reshape(-1, 2, 2) * 2 - 1) * np.array(self.scale) + np.array(self.shift)
        corners = np.sort((corners + 1) / 2, axis=1)
        shown = corners.clip(0, 1)
        seen = (shown[:, 1] - shown[:, 0]).prod(axis=1) / np.maximum((corners[:, 1] - corners[:, 0]).prod(axis=1), 1e-9)
        boxes_ = np.concatenate([(shown[:, 0] + shown[:, 1]) / 2, shown[:, 1] - shown[:, 0]], axis=1)
        return boxes_.astype(np.float32), seen.astype(np.float32)


class Batches:
    """Half of each batch are pictures that nobody answered, where there are any. side: of the square, pixels."""

    def __init__(self, examples: Sequence[Example], *, side: int, seed: int) -> None:
        self._sides = [
            part for part in ([each for each in examples if each.approved], [each for each in examples if not each.approved]) if part
        ]
        self._side, self._seed = side, seed
        self._kept: dict[str, npt.NDArray[np.uint8]] = {}

    def batch(self, number: int) -> tuple[Tensor, Targets]:
        """(B, 3, S, S) uint8 pixels, and what is there."""
        rng = np.random.default_rng((self._seed, number))
        chosen = [each for part in self._sides for each in self._choose(rng, part, SIZE // len(self._sides))]
        views = [View.draw(rng, each, self._side) for each in chosen]
        pixels = np.stack([self._pixels(each) for each in chosen])
        shown = self._show(rng, torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), views)
        return shown, _targets(chosen, views)

    @staticmethod
    def _choose(rng: Rng, part: Sequence[Example], count: int) -> list[Example]:
        weights = np.array([each.weight for each in part])
        again = np.count_nonzero(weights) < count
        return [part[each] for each in rng.choice(len(part), count, replace=bool(again), p=weights / weights.sum())]

    def _pixels(self, example: Example) -> npt.NDArray[np.uint8]:
        key = example.picture.key
        if key in self._kept:
            return self._kept[key]
        made = square(open_image(example.picture.path).pixels, self._side)
        if (len(self._kept) + 1) * made.nbytes <= KEPT_BYTES:
            self._kept[key] = made
        return made

    def _show(self, rng: Rng, pixels: Tensor, views: Sequence[View]) -> Tensor:
        grid = F.affine_grid(torch.tensor([each.theta() for each in views]), list(pixels.shape), align_corners=False)
        shown = F.grid_sample(pixels - GREY, grid, align_corners=False)
        light = torch.tensor(rng.normal(0, LIGHT, len(views)) * 255, dtype=torch.float32).view(-1, 1, 1, 1)
        contrast = torch.tensor(np.exp(rng.normal(0, CONTRAST, len(views)) / 2), dtype=torch.float32).view(-1, 1, 1, 1)
        return (shown * contrast + light + GREY).clamp(0, 255).round().to(torch.uint8)


def _targets(chosen: Sequence[Example], views: Sequence[View]) -> Targets:
    boxes, classes, ignored, refused = [], [], [], []
    for example, view in zip(chosen, views, strict=True):
        shown, seen = view.boxes(example.boxes)
        asked, half = seen >= SEEN, (seen < SEEN) & (seen > 0)
        boxes.append(torch.from_numpy(shown[asked]))
        classes.append(torch.from_numpy(example.classes[asked]))
        ignored.append(torch.from_numpy(np.concatenate([shown[half], view.boxes(example.ignored)[0]])))
        refused.append(torch.from_numpy(view.boxes(example.refused)[0]))
    return Targets(_padded(boxes, 0.0), _padded(classes, -1), _padded(ignored, 0.0), _padded(refused, 0.0))


def _padded(rows: Sequence[Tensor], filling: float) -> Tensor:
    """(B, M, …), at least one long, so that no step meets an empty row."""
    longest = max(1, *(len(each) for each in rows))
    made = torch.full((len(rows), longest, *rows[0].shape[1:]), filling, dtype=rows[0].dtype)
    for at, each in enumerate(rows):
        made[at, : len(each)] = each
    return made
