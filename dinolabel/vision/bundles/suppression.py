"""What people keep deleting, and which crops are so like it that they are not worth showing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dinolabel.vision.types import QUARTER, Box, Embeddings

PICTURES = 3  # so many pictures in which a like box was deleted make a belief; one deletion is a mood
NEARER = 0.8  # of the distance to what was kept: in between, nothing is believed
PROBE_SHARE = 20  # one in so many is shown all the same, so that a wrong belief can be corrected
BLOCK = 2048  # rows of a distance table held at once

Distances = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SuppressionModel:
    """rejected: (K, D) float32 unit rows of deleted boxes' crops, those of one picture together; pictures: (K,) which picture each is from.

    kept: (M, D) crops that people approved and that are no reference of a name. distance: greatest cosine distance to the deleted
    ones at which a crop counts as one of them. ids: (K) where each deleted box came from.
    """

    rejected: Embeddings = field(repr=False)
    pictures: Codes = field(repr=False)
    kept: Embeddings = field(repr=False)
    distance: float
    ids: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.rejected.ndim != 2 or len(self.rejected) != len(self.pictures) or self.kept.shape[1:] != self.rejected.shape[1:]:
            raise ValueError(f"expected (K, D), (K,), (M, D), got {self.rejected.shape}, {self.pictures.shape}, {self.kept.shape}")
        if len(self.ids) != len(self.rejected) or (np.diff(self.pictures) < 0).any():
            raise ValueError("expected an id for each row, and the rows of one picture together")

    def score(self, embeddings: Embeddings, to_names: Distances) -> Distances:
        """(N,) how like what people delete each crop is, 0..1; 0 where it is not believed to be that.

        embeddings: (N, D) unit rows. to_names: (N,) cosine distance of each to the nearest reference of any label.
        """
        near = distance_to_kth_image(embeddings, self.rejected, self.pictures)
        far = np.minimum(to_names, nearest(embeddings, self.kept))
        believed = (near <= self.distance) & (near <= NEARER * far)
        return np.where(believed, np.clip(1.0 - near, 0.0, 1.0), 0.0)


def is_probe(image: str, box: Box) -> bool:
    """Whether this box is one of the one in twenty, by a hash of its picture (Image.key) and place: the same on every machine."""
    place = ",".join(str(round(each / QUARTER)) for each in box.xyxy)
    return int.from_bytes(hashlib.sha256(f"{image} {place}".encode()).digest()[:8], "big") % PROBE_SHARE == 0


def distance_to_kth_image(
    asked: Embeddings, rejected: Embeddings, pictures: Codes, *, own: Codes | None = None, count: int = PICTURES
) -> Distances:
    """(N,) cosine distance at which each row has met rejected crops of `count` different pictures; inf when there are not so many.

    pictures: (K,) rising. own: (N,) each row's own picture, which is left out.
    """
    out = np.full(len(asked), np.inf)
    names, starts = np.unique(pictures, return_index=True)
    if len(names) < count:
        return out
    for start in range(0, len(asked), BLOCK):
        rows = slice(start, start + BLOCK)
        near = np.minimum.reduceat(_cosine_distance(asked[rows], rejected), starts, axis=1)
        if own is not None:
            near[own[rows, None] == names[None, :]] = np.inf
        out[rows] = np.partition(near, count - 1, axis=1)[:, count - 1]
    return out


def nearest(asked: Embeddings, to: Embeddings, *, groups: tuple[Codes, Codes] | None = None) -> Distances:
    """(N,) cosine distance to the nearest row of `to`; inf when there is none. groups: codes of both; a row's own group is left out."""
    out = np.full(len(asked), np.inf)
    for start in range(0, len(asked) if len(to) else 0, BLOCK):
        rows = slice(start, start + BLOCK)
        near = _cosine_distance(asked[rows], to)
        if groups is not None:
            near[groups[0][rows, None] == groups[1][None, :]] = np.inf
        out[rows] = near.min(axis=1)
    return out


def _cosine_distance(asked: Embeddings, to: Embeddings) -> Distances:
    return np.maximum(1.0 - asked.astype(np.float64) @ to.T.astype(np.float64), 0.0)
