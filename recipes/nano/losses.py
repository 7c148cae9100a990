"""The detector's own loss: dense on image tokens, one-to-many and one-to-one on the decoder's layers.

transformers' built-in loss cannot train the proposal stage (it is detached there) and mislabels batches with
different prompts, hence this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.nano.batches import Batch

CORE, RING = 0.22, 0.35  # of the box's size around its centre: positive inside the core, ignored in the ring
LEVEL_RANGES = ((0.0, 0.34), (0.25, 0.62), (0.5, 9.9))  # which long sides each feature level answers for
BACKGROUND = 0.3  # weight of the tokens that show nothing, in the backbone's classifier
WEIGHTS = {"focal": 2.0, "l1": 5.0, "giou": 2.0, "phrase": 0.5, "closed": 0.5, "backbone": 0.3}


@dataclass(frozen=True)
class Assignment:
    """For each prediction of each image: which object it should be (-1 none), and whether its class loss is ignored."""

    target: Tensor  # (B, N)
    ignored: Tensor  # (B, N) bool


@torch.no_grad()
def assign_dense(shapes: list[tuple[int, int]], batch: Batch) -> Assignment:
    """Image tokens near an object's centre, on the levels that fit its size; the smaller object wins."""
    grid, level = token_grid(shapes)
    centre, size = batch.boxes[:, None, :, :2], batch.boxes[:, None, :, 2:]
    offset = ((grid[None, :, None] - centre).abs() / size.clamp(min=1e-3)).amax(-1)  # (B, N, M)
    ranges = torch.tensor(LEVEL_RANGES[: len(shapes)])[level]  # (N, 2)
    long = size.amax(-1)  # (B, 1, M)
    fits = (long >= ranges[:, 0, None]) & (long < ranges[:, 1, None])
    there = batch.there[:, None, :]
    near = torch.where(fits, offset, 9e9)
    nearest = torch.zeros_like(fits).scatter_(1, near.argmin(1, keepdim=True), True)
    positive = (((offset < CORE) & fits) | nearest) & there
    area = torch.where(positive, size.prod(-1), 9e9)
    target = torch.where(positive.any(-1), area.argmin(-1), -1)
    ignored = ((offset < RING) & there).any(-1) & (target < 0)
    return Assignment(target, ignored)


def token_grid(shapes: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Centres (x, y in 0-1) and level of every image token."""
    centres, levels = [], []
    for number, (height, width) in enumerate(shapes):
        ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        centres.append(torch.stack([xs / width, ys / height], -1).view(-1, 2))
        levels.append(torch.full((height * width,), number))
    return torch.cat(centres), torch.cat(levels)


@torch.no_grad()
def assign_queries(reference: Tensor, batch: Batch, *, one_to_one: bool) -> Assignment:
    """By geometry alone, which is stable from the first step on; rank decides among equals, and a query knows its rank."""
    overlap = iou_matrix(reference, batch.boxes)  # (B, Q, M)
    wanted = batch.there & (batch.phrase >= 0)
    overlap = torch.where(wanted[:, None, :], overlap, -1.0)
    if not one_to_one:
        best, target = overlap.max(-1)
        return Assignment(torch.where(best >= 0.5, target, -1), torch.zeros_like(target, dtype=torch.bool))
    queries = reference.shape[1]
    rank = torch.arange(queries, dtype=overlap.dtype)[None, :, None]
    key = torch.where(overlap >= 0.6, 2.0 + (queries - rank) / queries, overlap)
    chosen = key.argmax(1)  # (B, M)
    target = torch.full(reference.shape[:2], -1)
    rows, things = wanted.nonzero(as_tuple=True)
    target[rows, chosen[rows, things]] = things
    return Assignment(target, torch.zeros_like(target, dtype=torch.bool))


def detection_loss(logits: Tensor, boxes: Tensor, given: Assignment, batch: Batch) -> dict[str, Tensor]:
    """Focal on tokens, L1 and GIoU on boxes, cross-entropy among the prompt's phrases."""
    phrase = batch.phrase.gather(1, given.target.clamp(min=0))
    positive = (given.target >= 0) & (phrase >= 0)
    rows, places = positive.nonzero(as_tuple=True)
    things = given.target[rows, places]
    spans = batch.spans[rows, phrase[rows, places]]  # (K, T)
    wanted = torch.zeros_like(logits)
    wanted[rows, places] = spans.to(logits.dtype)
    counted = batch.text_mask[:, None, :] & ~given.ignored[..., None]
    focal = focal_loss(logits, wanted, counted) / spans.sum().clamp(min=1)
    picked, truth = boxes[rows, places], batch.boxes[rows, things]
    count = max(len(rows), 1)
    return {
        "focal": focal,
        "l1": (picked - truth).abs().sum() / count,
        "giou": (1 - paired_giou(picked, truth)).sum() / count,
        "phrase": phrase_loss(logits[rows, places], batch.spans[rows], phrase[rows, places]) / count,
    }


def focal_loss(logits: Tensor, wanted: Tensor, counted: Tensor, alpha: float = 0.25) -> Tensor:
    logits, wanted = logits[counted], wanted[counted]
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    wrong = torch.sigmoid(torch.where(wanted > 0, -logits, logits))
    return (torch.where(wanted > 0, alpha, 1 - alpha) * wrong**2 * cross).sum()


def phrase_loss(logits: Tensor, spans: Tensor, phrase: Tensor) -> Tensor:
    """Softmax over phrases, each scored by its mean token logit: this is what teaches words apart early."""
    count = spans.sum(-1)
    score = torch.einsum("kt,kpt->kp", logits, spans.to(logits.dtype)) / count.clamp(min=1)
    return F.cross_entropy(score.masked_fill(count == 0, -1e4), phrase, reduction="sum")


def closed_set_loss(logits: Tensor, given: Assignment, batch: Batch) -> Tensor:
    """A throw-away classifier on image tokens of all objects, prompted or not."""
    positive = given.target >= 0
    noun = batch.noun.gather(1, given.target.clamp(min=0))
    return F.cross_entropy(logits[positive], noun[positive])


def noun_loss(logits: Tensor, given: Assignment, batch: Batch) -> tuple[Tensor, float]:
    """Cross-entropy over nouns and background, and the share of object tokens that are named rightly."""
    positive = given.target >= 0
    empty = ~positive & ~given.ignored
    noun = batch.noun.gather(1, given.target.clamp(min=0))[positive]
    background = torch.full((int(empty.sum()),), logits.shape[-1] - 1)
    loss = F.cross_entropy(logits[positive], noun) + BACKGROUND * F.cross_entropy(logits[empty], background)
    return loss, float((logits[positive].argmax(-1) == noun).float().mean())


def corners(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def iou_matrix(one: Tensor, two: Tensor) -> Tensor:
    """(B, N, 4) and (B, M, 4), cx cy w h -> (B, N, M)."""
    a, b = corners(one)[:, :, None], corners(two)[:, None]
    shared = (torch.min(a[..., 2:], b[..., 2:]) - torch.max(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return shared / (one[:, :, None, 2:].prod(-1) + two[:, None, :, 2:].prod(-1) - shared).clamp(min=1e-6)


def paired_giou(one: Tensor, two: Tensor) -> Tensor:
    """(K, 4) and (K, 4), cx cy w h -> (K,)."""
    a, b = corners(one), corners(two)
    shared = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    union = one[:, 2:].prod(-1) + two[:, 2:].prod(-1) - shared
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).prod(-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
