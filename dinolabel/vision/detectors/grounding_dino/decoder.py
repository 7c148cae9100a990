"""The decoder: the best proposals become queries that look at each other, at the words and at the image, and move their boxes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.models.grounding_dino.modeling_grounding_dino import encode_sinusoidal_position_embedding

from dinolabel.vision.detectors.grounding_dino.encoder import Contrast
from dinolabel.vision.detectors.grounding_dino.sampling import DeformableAttention
from dinolabel.vision.detectors.grounding_dino.size_arrays import SamplingGrid
from dinolabel.vision.detectors.grounding_dino.tensors import apply

EDGE = 1e-5  # shares nearer to 0 or 1 count as this before the inverse of the sigmoid


class Decoder:
    """transformers' decoder and heads with their very weights, for one picture without padding, in float32."""

    def __init__(self, whole: Any) -> None:
        decoder = whole.model.decoder
        self._queries = whole.model.query_position_embeddings.weight
        self._layers = [_DecoderLayer(each) for each in decoder.layers]
        self._norm, self._position = decoder.layer_norm, decoder.reference_points_head
        self._boxes, self._last_boxes = decoder.bbox_embed, whole.bbox_embed[-1]
        self._classes = Contrast(whole.class_embed[-1])

    def __call__(self, boxes: Tensor, memory: Tensor, words: Tensor, grid: SamplingGrid) -> tuple[Tensor, Tensor]:
        """(Q, T) logits and (Q, 4) boxes, cxcywh as shares of the picture. boxes: (Q, 4) of the proposals, likewise."""
        queries = self._queries
        half = queries.shape[-1] // 2
        for number, layer in enumerate(self._layers):
            position = self._position(encode_sinusoidal_position_embedding(boxes, num_pos_feats=half))
            queries = layer(queries, position, boxes, memory, words, grid)
            before, boxes = boxes, moved(boxes, self._boxes[number](queries))
        told = self._norm(queries)
        return self._classes(told, words), moved(before, self._last_boxes(told))


def moved(boxes: Tensor, by: Tensor) -> Tensor:
    """Boxes as shares of the picture, moved by so much before the sigmoid."""
    shares = boxes.clamp(EDGE, 1 - EDGE)
    return (torch.log(shares / (1 - shares)) + by).sigmoid()


class _DecoderLayer:
    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._attention = DeformableAttention(layer.encoder_attn)

    def __call__(self, queries: Tensor, position: Tensor, boxes: Tensor, memory: Tensor, words: Tensor, grid: SamplingGrid) -> Tensor:
        layer, attention = self._layer, self._attention
        asked = (queries + position)[None]
        queries = layer.self_attn_layer_norm(queries + layer.self_attn(asked, asked, queries[None])[0][0])
        asked = (queries + position)[None]
        queries = layer.encoder_attn_text_layer_norm(queries + layer.encoder_attn_text(asked, words[None], words[None])[0][0])
        x, y, weight = attention.project(queries + position)
        centre, reach = (boxes[:, None, at] * grid.size[None] for at in (slice(2), slice(2, 4)))
        centre, reach = centre + 0.5, reach / (2 * attention.points)
        x, y = (attention.per_place(centre[..., at]) + each * attention.per_place(reach[..., at]) for at, each in enumerate((x, y)))
        seen = attention.sample(attention.table(memory, grid), x, y, weight, grid)
        queries = layer.encoder_attn_layer_norm(queries + seen)
        return layer.final_layer_norm(queries + apply(layer.fc2, apply(layer.fc1, queries, then="relu")))  # type: ignore[no-any-return]
