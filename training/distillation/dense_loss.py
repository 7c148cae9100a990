"""What the dense student is taught by: which cell answers for which object, and how wrong it is.

Assignment by the centre of a box and its size (FCOS, Tian et al. 2019); focal loss (Lin et al. 2017); L1 and generalised IoU
(Rezatofighi et al. 2019) on boxes. Boxes are cx cy w h, shares of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CORE, RING = 0.22, 0.35  # of a box's size around its centre: its cells inside the core, nobody's in the ring
SHORT, LONG = 2.0, 5.2  # strides between which a level answers for a box's long side; the first and the last are open
HARD = 3.0  # weight of a cell where people refused the teacher's box
FOCAL, L1, GIOU = 2.0, 5.0, 2.0
ALPHA = 0.25


@dataclass(frozen=True)
class Targets:
    """Of a batch, padded. boxes: (B, M, 4). classes: (B, M), -1 for filling. ignored, refused: (B, K, 4), filling has no size."""

    boxes: Tensor
    classes: Tensor
    ignored: Tensor
    refused: Tensor


@dataclass(frozen=True)
class Cells:
    """centres: (N, 2) x and y. stride: (N,) size of a cell, as a share of the picture. first, last: (N,) of the finest, coarsest level."""

    centres: Tensor
    stride: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, shapes: list[tuple[int, int]], device: str) -> Cells:
        centres, strides, levels = [], [], []
        for level, (height, width) in enumerate(shapes):
            ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            centres.append(torch.stack([xs / width, ys / height], -1).view(-1, 2))
            strides.append(torch.full((height * width,), 1 / max(height, width)))
            levels.append(torch.full((height * width,), level))
        level = torch.cat(levels).to(device)
        return cls(torch.cat(centres).to(device), torch.cat(strides).to(device), level == 0, level == len(shapes) - 1)


@torch.no_grad()
def assign(cells: Cells, targets: Targets) -> tuple[Tensor, Tensor]:
    """(B, N) the object each cell answers for, -1 none, and (B, N) the weight of its class loss. The smaller of two objects wins."""
    there = (targets.classes >= 0)[:, None, :]
    offset = _offsets(cells, targets.boxes)
    long = targets.boxes[:, None, :, 2:].amax(-1)
    stride = cells.stride[None, :, None]
    fits = ((long >= SHORT * stride) | cells.first[None, :, None]) & ((long < LONG * stride) | cells.last[None, :, None])
    near = torch.where(fits, offset, 9e9)
    nearest = torch.zeros_like(fits).scatter_(1, near.argmin(1, keepdim=True), True)
    positive = (((offset < CORE) & fits) | nearest) & there
    area = torch.where(positive, targets.boxes[:, None, :, 2:].prod(-1), 9e9)
    target = (
        torch.where(positive.any(-1), area.argmin(-1), -1) if area.shape[-1] else torch.full(offset.shape[:2], -1, device=offset.device)
    )
    ring = ((offset < RING) & there).any(-1) & (target < 0)
    unsure = (_offsets(cells, targets.ignored) < 0.5).any(-1) & (target < 0)
    refused = (_offsets(cells, targets.refused) < RING).any(-1) & (target < 0)
    return target, torch.where(refused, HARD, 1.0) * ~(ring | unsure)


def _offsets(cells: Cells, boxes: Tensor) -> Tensor:
    """(B, N, M) how far a cell's centre is from a box's, in box sizes; filling is endlessly far."""
    size = boxes[:, None, :, 2:]
    offset = ((cells.centres[None, :, None] - boxes[:, None, :, :2]).abs() / size.clamp(min=1e-3)).amax(-1)
    return torch.where(size.amin(-1) > 0, offset, 9e9)


def loss(logits: Tensor, boxes: Tensor, cells: Cells, targets: Targets) -> Tensor:
    """One number. logits: (B, N, C), boxes: (B, N, 4)."""
    target, weight = assign(cells, targets)
    rows, places = (target >= 0).nonzero(as_tuple=True)
    things = target[rows, places]
    count = max(len(rows), 1)
    wanted = torch.zeros_like(logits)
    wanted[rows, places, targets.classes[rows, things]] = 1.0
    picked, truth = boxes[rows, places], targets.boxes[rows, things]
    total = FOCAL * _focal(logits, wanted, weight) / count
    return total + (L1 * (picked - truth).abs().sum() + GIOU * (1 - paired_giou(picked, truth)).sum()) / count


def _focal(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    wrong = torch.sigmoid(torch.where(wanted > 0, -logits, logits))
    return (torch.where(wanted > 0, ALPHA, 1 - ALPHA) * wrong**2 * cross * weight[..., None]).sum()


def paired_giou(one: Tensor, two: Tensor) -> Tensor:
    """(K, 4) and (K, 4), cx cy w h -> (K,)."""
    a, b = (torch.cat([each[..., :2] - each[..., 2:] / 2, each[..., :2] + each[..., 2:] / 2], -1) for each in (one, two))
    shared = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    union = one[:, 2:].prod(-1) + two[:, 2:].prod(-1) - shared
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).prod(-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
