"""Pixels as a network takes them: resized by Pillow, normalised by looking up what each of the 256 values of a colour becomes.

The numbers are bit for bit those of transformers' own image processor, whose import costs more than a small network's whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import PIL.Image

from dinolabel.vision.types import Pixels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SHORTEST, LONGEST = 800, 1333  # of a checkpoint that names none, as in DETR
RESCALE = 1 / 255


@dataclass(frozen=True)
class Preprocessing:
    """How a checkpoint wants its pictures. mean, std: per colour, of values from 0 to 1. shorter, longer: sides of the resized picture at
    most, pixels. resample: Pillow's number. scale: what a colour's value is multiplied by first."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shorter: int
    longer: int
    resample: int = int(PIL.Image.Resampling.BILINEAR)
    scale: float = RESCALE

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From the settings of an image processor, as checkpoints bring them; what one does not say is DETR's."""
        size = said.get("size") or {"shortest_edge": SHORTEST, "longest_edge": LONGEST}
        if not isinstance(size, Mapping):  # before transformers 4.27
            size = {"shortest_edge": size, "longest_edge": said.get("max_size") or LONGEST}
        plain = said.get("do_normalize") is False
        return cls(
            tuple((0.0,) * 3 if plain else said.get("image_mean") or IMAGENET_MEAN),
            tuple((1.0,) * 3 if plain else said.get("image_std") or IMAGENET_STD),
            int(size["shortest_edge"]),
            int(size["longest_edge"]),
            int(said.get("resample", PIL.Image.Resampling.BILINEAR)),
            1.0 if said.get("do_rescale") is False else float(said.get("rescale_factor") or RESCALE),
        )

    def size(self, height: int, width: int, *, shorter: int, longer: int) -> tuple[int, int]:
        """(height, width) that a picture is resized to: its shorter side `shorter`, unless the longer one would go beyond `longer`."""
        least, most = min(height, width), max(height, width)
        exact: float = shorter
        if most / least * shorter > longer:
            exact = longer * float(least) / most
        side = round(exact)
        if least == side:
            return height, width
        other = int(exact * most / least)
        return (other, side) if width < height else (side, other)

    def pixels(self, picture: Pixels, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """(3, height, width) of (H, W, 3) uint8 RGB. size: height, width."""
        resized = np.asarray(PIL.Image.fromarray(picture).resize(size[::-1], PIL.Image.Resampling(self.resample)))
        return look_up(resized, self._values)

    @property
    def _values(self) -> npt.NDArray[np.float32]:
        scaled = (np.arange(256, dtype=np.float64) * self.scale).astype(np.float32)
        mean, std = (np.asarray(each, np.float32)[:, None] for each in (self.mean, self.std))
        return np.asarray((scaled - mean) / std, np.float32)


def look_up(picture: Pixels, values: npt.NDArray[np.float32], out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
    """(3, H, W): of (H, W, 3) uint8 each colour's value among `values`, (3, 256). out: where to write it."""
    planes = np.empty((3, *picture.shape[:2]), np.float32) if out is None else out
    for colour, plane in enumerate(planes):
        values[colour].take(picture[..., colour], out=plane, mode="clip")  # the other modes copy
    return planes
