"""Swin's backbone over tokens: windows are gathered rows, and padding is one more row of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from dinolabel.vision.detectors.grounding_dino.size_arrays import (
    Shape,
    SwinStageArrays,
    Windows,
    halved,
    swin_merge,
    swin_windows,
)
from dinolabel.vision.detectors.grounding_dino.tensors import apply, change_in_parts, linear

AT_ONCE = 4096  # tokens whose four times wider middle layer is held at a time


class SwinTokens:
    """The backbone of transformers' `SwinBackbone` with its very weights, for one picture. Raises NotImplementedError for one that is
    made otherwise than those of the published weights."""

    def __init__(self, backbone: Any) -> None:
        config, swin = backbone.config, backbone.swin
        if config.use_absolute_embeddings or config.hidden_act != "gelu" or "stem" in backbone.out_features:
            raise NotImplementedError("Swin with absolute positions, another function than gelu or the stem's map")
        self.patch = int(config.patch_size)
        self.window = int(config.window_size)
        self._projection = swin.embeddings.patch_embeddings.projection
        self._norm = swin.embeddings.norm
        self._stages = [_Stage(each) for each in swin.encoder.layers]
        self._norms = [backbone.hidden_states_norms[name] if name in backbone.out_features else None for name in backbone.stage_names[1:]]

    def shapes(self, size: Shape) -> list[Shape]:
        """Of each stage's map, for pixels of that height and width."""
        shapes = [(-(-size[0] // self.patch), -(-size[1] // self.patch))]
        for _ in self._stages[1:]:
            shapes.append(halved(shapes[-1]))
        return shapes

    def arrays(self, shapes: Sequence[Shape]) -> list[SwinStageArrays]:
        """What the stages need to know of their maps' shapes."""
        shifts = (0, self.window // 2)
        return [
            SwinStageArrays(
                (swin_windows(shape, side=self.window, shift=shifts[0]), swin_windows(shape, side=self.window, shift=shifts[1])),
                swin_merge(shape) if number + 1 < len(shapes) else None,
            )
            for number, shape in enumerate(shapes)
        ]

    def given(self, per_stage: Sequence[Any]) -> list[Any]:
        """Those of the stages whose maps are given out."""
        return [each for each, norm in zip(per_stage, self._norms, strict=True) if norm is not None]

    def patches(self, pixels: Tensor) -> Tensor:
        """(N, C * patch * patch) of (C, H, W) pixels, with zeros below and beside where a patch is cut."""
        colours, height, width = pixels.shape
        side = self.patch
        pixels = pad(pixels, (0, -width % side, 0, -height % side))
        split = pixels.view(colours, -(-height // side), side, -(-width // side), side)
        return split.permute(1, 3, 0, 2, 4).reshape(-1, colours * side * side)

    def __call__(self, patches: Tensor, arrays: Sequence[SwinStageArrays]) -> list[Tensor]:
        """(N, C) tokens of each map that is given out, the finest first."""
        tokens = self._norm(linear(patches, self._projection.weight.flatten(1), self._projection.bias))
        found = []
        for stage, norm, known in zip(self._stages, self._norms, arrays, strict=True):
            tokens = stage.attend(tokens, known)
            if norm is not None:
                found.append(norm(tokens))
            if known.merge is not None:
                tokens = stage.merge(tokens, known.merge)
        return found


class _Stage:
    def __init__(self, stage: Any) -> None:
        self._blocks = [_Block(each) for each in stage.blocks]
        self._downsample = stage.downsample

    def attend(self, tokens: Tensor, arrays: SwinStageArrays) -> Tensor:
        for number, block in enumerate(self._blocks):
            tokens = block(tokens, arrays.blocks[number % 2])
        return tokens

    def merge(self, tokens: Tensor, places: Tensor) -> Tensor:
        four = pad(tokens, (0, 0, 0, 1)).index_select(0, places).view(-1, 4 * tokens.shape[-1])
        return apply(self._downsample.reduction, self._downsample.norm(four))


class _Block:
    def __init__(self, block: Any) -> None:
        attention = block.attention
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        self._weight = torch.cat([each.weight for each in parts])
        self._bias = None if parts[0].bias is None else torch.cat([each.bias for each in parts])
        self._position = attention.relative_position_bias()
        self._heads = int(attention.num_attention_heads)
        self._out, self._mlp = attention.o_proj, block.mlp
        self._before, self._after = block.layernorm_before, block.layernorm_after

    def __call__(self, tokens: Tensor, windows: Windows) -> Tensor:
        """(N, C) from the same."""
        width, area = tokens.shape[-1], self._position.shape[-1]
        inside = pad(self._before(tokens), (0, 0, 0, 1)).index_select(0, windows.gather)
        mixed = linear(inside, self._weight, self._bias).view(-1, area, 3, self._heads, width // self._heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        mask = self._position if windows.mask is None else self._position + windows.mask.to(tokens.dtype)
        seen = scaled_dot_product_attention(query, key, value, mask.expand(len(query), -1, -1, -1))
        seen = seen.transpose(1, 2).reshape(-1, width).index_select(0, windows.back)
        return change_in_parts(self._widen, tokens + apply(self._out, seen), rows=AT_ONCE)

    def _widen(self, tokens: Tensor) -> Tensor:
        return tokens + apply(self._mlp.fc2, apply(self._mlp.fc1, self._after(tokens), then="gelu"))
