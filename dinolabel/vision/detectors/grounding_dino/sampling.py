"""Deformable attention as weighted sums of table rows: each query looks at a few places of each level, between four tokens each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from dinolabel.vision.detectors.grounding_dino.size_arrays import SamplingGrid
from dinolabel.vision.detectors.grounding_dino.tensors import apply, linear


class DeformableAttention:
    """One multi-scale deformable attention with the weights of transformers' module.

    Its two projections of the queries, to offsets (x and y in turns) and to weights, are one here, with all x before all y. S is heads *
    levels * points, in this order.
    """

    def __init__(self, module: Any) -> None:
        self.heads, self.levels, self.points = int(module.n_heads), int(module.n_levels), int(module.n_points)
        self.value_proj, self.output_proj = module.value_proj, module.output_proj
        offsets, attention = module.sampling_offsets, module.attention_weights
        self.weight = torch.cat([offsets.weight[0::2], offsets.weight[1::2], attention.weight])
        self.bias = torch.cat([offsets.bias[0::2], offsets.bias[1::2], attention.bias])

    def table(self, tokens: Tensor, grid: SamplingGrid) -> Tensor:
        """(P * heads, D / heads) what the N tokens, (N, D), are worth, in the table's order, its border zero."""
        value = pad(apply(self.value_proj, tokens), (0, 0, 0, 1)).index_select(0, grid.place).float()
        return value.view(-1, value.shape[-1] // self.heads)

    def per_place(self, per_level: Tensor) -> Tensor:
        """(..., S) from (..., L)."""
        return per_level.repeat_interleave(self.points, dim=-1).repeat(*[1] * (per_level.ndim - 1), self.heads)

    def project(self, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(Q, S) each: offsets along x and y in places, and weights that sum to one per head."""
        x, y, weight = linear(queries, self.weight, self.bias).float().chunk(3, dim=-1)
        return x, y, weight.view(len(queries), self.heads, -1).softmax(-1).flatten(1)

    def sample(self, table: Tensor, x: Tensor, y: Tensor, weight: Tensor, grid: SamplingGrid) -> Tensor:
        """(Q, D) of coordinates in the bordered maps and weights, (Q, S) each.

        The four tokens round a place are one and the same row in the table and in three views of it that begin later. Coordinates and
        rows are float32, whole numbers below 2^24, whatever the rest computes in: bfloat16 has eight bits.
        """
        x = torch.minimum(x.clamp(min=0), self.per_place(grid.limit_x))
        y = torch.minimum(y.clamp(min=0), self.per_place(grid.limit_y))
        left, upper = x.floor(), y.floor()
        right, lower = x - left, (y - upper) * weight
        upper_right, lower_right = (weight - lower) * right, lower * right
        corner = self.per_place(grid.start) * self.heads + torch.arange(self.heads).repeat_interleave(self.levels * self.points)
        rows = torch.addcmul(corner, upper, torch.tensor(float(grid.stride * self.heads))).add_(left, alpha=self.heads)
        rows = rows.int().view(len(x) * self.heads, -1)
        shares = (weight - lower - upper_right, upper_right, lower - lower_right, lower_right)
        found = [
            embedding_bag(rows, table[later * self.heads :], mode="sum", per_sample_weights=share.view(len(rows), -1))
            for later, share in zip((0, 1, grid.stride, grid.stride + 1), shares, strict=True)
        ]
        whole = found[0] + found[1] + found[2] + found[3]
        return apply(self.output_proj, whole.view(len(x), -1).to(self.weight.dtype))
