"""The encoder: image and words look at each other, words at words, image places at a few others; then each place is a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dinolabel.vision.detectors.grounding_dino.prompt_text import PromptText
from dinolabel.vision.detectors.grounding_dino.sampling import DeformableAttention
from dinolabel.vision.detectors.grounding_dino.size_arrays import SizeArrays
from dinolabel.vision.detectors.grounding_dino.tensors import apply, change_in_parts, linear

AT_ONCE = 2048  # tokens whose places and middle layer are held at a time
LEAST = -50_000.0  # below the largest score: lower ones count as this, as in the model's own code


@dataclass(frozen=True, slots=True)
class Encoded:
    """memory: (N, D) image tokens. words: (T, D). proposals: (N, D) the queries that the places would make. best: (N) their best logit."""

    memory: Tensor
    words: Tensor
    proposals: Tensor
    best: Tensor


class Encoder:
    """Level projections, encoder layers and proposals with the weights of transformers' model, for one picture without padding."""

    def __init__(self, model: Any, layers: Any, projections: Any) -> None:
        """layers, projections: the model's own, or copies of them in another number type."""
        self._projections = [_LevelProjection(each) for each in projections]
        self._layers = [_Layer(each) for each in layers]
        self._output, self._norm = model.enc_output, model.enc_output_norm
        self._classes = Contrast(model.encoder_output_class_embed)

    def __call__(self, maps: Sequence[Tensor], text: PromptText, arrays: SizeArrays) -> Encoded:
        """maps: (N, C) tokens of the backbone's maps, the finest first."""
        levels = [project(each) for project, each in zip(self._projections, maps, strict=False)]
        last = maps[-1]
        for project, places in zip(self._projections[len(maps) :], arrays.extra, strict=True):
            last = project(pad(last, (0, 0, 0, 1)).index_select(0, places).view(-1, 9 * last.shape[-1]))
            levels.append(last)
        tokens = torch.cat(levels)
        words = text.features.to(tokens.dtype)
        for layer in self._layers:
            tokens, words = layer(tokens, words, text, arrays)
        tokens, words = tokens.float(), words.float()
        proposals = self._norm(apply(self._output, tokens.masked_fill(~arrays.valid, 0.0)))
        return Encoded(tokens, words, proposals, self._classes(proposals, words).amax(-1))


class Contrast:
    """How much a query is like each word: (Q, T) logits."""

    def __init__(self, module: Any) -> None:
        self._bias = getattr(module, "bias", None)  # MM-GroundingDINO's and LLMDet's; theirs is a scaled product

    def __call__(self, queries: Tensor, words: Tensor) -> Tensor:
        alike = queries @ words.T
        return alike if self._bias is None else alike / queries.shape[-1] ** 0.5 + self._bias


class _LevelProjection:
    """A convolution over places that were gathered before, and its group norm."""

    def __init__(self, module: Any) -> None:
        convolution, self._norm = module
        self._weight = convolution.weight.permute(0, 2, 3, 1).flatten(1)
        self._bias = convolution.bias

    def __call__(self, places: Tensor) -> Tensor:
        """(N, D) from (N, C), or from (N, 9 * C) for a 3 x 3 convolution."""
        norm = self._norm
        groups = linear(places, self._weight, self._bias).view(len(places), norm.num_groups, -1)
        groups = groups - groups.mean((0, 2), keepdim=True)
        groups = groups * torch.rsqrt(groups.square().mean((0, 2), keepdim=True) + norm.eps)
        return groups.view(len(places), -1) * norm.weight + norm.bias  # type: ignore[no-any-return]


class _Layer:
    def __init__(self, layer: Any) -> None:
        self._fusion = _Fusion(layer.fusion_layer)
        self._enhancer = layer.text_enhancer_layer
        self._deformable = _DeformableLayer(layer.deformable_layer)

    def __call__(self, tokens: Tensor, words: Tensor, text: PromptText, arrays: SizeArrays) -> tuple[Tensor, Tensor]:
        tokens, words = self._fusion(tokens, words)
        words = self._enhancer(words[None], text.mask, text.position.to(words.dtype))[0][0]
        return self._deformable(tokens, arrays), words


class _Fusion:
    """Image and words look at each other. The N image tokens are never projected: their few partners, the T words, are instead.

    A score of token v and word k is (W v + b) . k = v . (W' k) + b . k, and likewise on the way out, so each product over the image is
    heads * T columns wide in place of four times 1,024.
    """

    def __init__(self, layer: Any) -> None:
        self._layer, self._attention = layer, layer.attn

    def __call__(self, tokens: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        layer, attention = self._layer, self._attention
        heads = int(attention.num_heads)
        tokens, words = layer.layer_norm_vision(tokens), layer.layer_norm_text(words)

        def per_head(each: Tensor) -> Tensor:
            return each.view(-1, heads, each.shape[-1] // heads).transpose(0, 1)

        def of_head(weight: Tensor) -> Tensor:
            return weight.view(heads, weight.shape[0] // heads, -1)

        keys = per_head(attention.text_proj(words)) * attention.scale
        sides = (keys @ of_head(attention.vision_proj.weight)).flatten(0, 1)
        offsets = (keys @ of_head(attention.vision_proj.bias[:, None])).flatten()
        scores = linear(tokens, sides, offsets).float()
        scores = (scores - scores.max()).clamp(min=LEAST)
        of_words = scores.view(len(tokens), heads, -1).softmax(-1).flatten(1).to(tokens.dtype)
        of_places = scores.T.softmax(-1).to(tokens.dtype)

        out = of_head(attention.out_vision_proj.weight.T * layer.vision_param)
        told = per_head(attention.values_text_proj(words)) @ out + attention.out_vision_proj.bias * layer.vision_param / heads
        seen = (of_places @ tokens).view(heads, len(words), -1) @ of_head(attention.values_vision_proj.weight).transpose(1, 2)
        seen = seen.transpose(0, 1).flatten(1) + attention.values_vision_proj.bias
        return torch.addmm(tokens, of_words, told.flatten(0, 1)), words + layer.text_param * attention.out_text_proj(seen)


class _DeformableLayer:
    def __init__(self, layer: Any) -> None:
        self._attention = DeformableAttention(layer.self_attn)
        self._layer = layer

    def __call__(self, tokens: Tensor, arrays: SizeArrays) -> Tensor:
        """(N, D) from the same, written over them."""
        table = self._attention.table(tokens, arrays.grid)

        def change(tokens: Tensor, position: Tensor, column: Tensor, row: Tensor) -> Tensor:
            layer, attention = self._layer, self._attention
            x, y, weight = attention.project(tokens + position.to(tokens.dtype))
            x, y = x + attention.per_place(column), y + attention.per_place(row)
            tokens = layer.self_attn_layer_norm(tokens + attention.sample(table, x, y, weight, arrays.grid))
            return layer.final_layer_norm(tokens + apply(layer.fc2, apply(layer.fc1, tokens, then="relu")))  # type: ignore[no-any-return]

        return change_in_parts(change, tokens, arrays.position, arrays.column, arrays.row, rows=AT_ONCE)
