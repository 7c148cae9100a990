"""GroundingDINO written out for one processor: from pixels and token ids to logits and boxes, the same numbers as transformers' model.

What a size or a prompt decides is made once and kept for the last few; one picture is looked at after the other, because a batch gains
nothing on a CPU and costs half a gigabyte a picture.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from dinolabel.vision.detectors.grounding_dino.decoder import Decoder
from dinolabel.vision.detectors.grounding_dino.encoder import Encoded, Encoder
from dinolabel.vision.detectors.grounding_dino.prompt_text import PromptText, prompt_text
from dinolabel.vision.detectors.grounding_dino.size_arrays import Shape, SizeArrays, SwinStageArrays, halved, size_arrays
from dinolabel.vision.detectors.grounding_dino.swin import SwinTokens

SIZES_KEPT = 3  # some 60 MB each at 800 x 1066
PROMPTS_KEPT = 16


class Recent:
    """The last few things made, by their key. Safe between threads; two may make the same thing at once."""

    def __init__(self, most: int) -> None:
        self._most, self._kept, self._lock = most, OrderedDict[Hashable, Any](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for the key, made now where it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


class TokenForward:
    """The network of a transformers GroundingDINO or MM-GroundingDINO with its very weights, on the CPU.

    dtype: of backbone and encoder; below float32 they are copied. The words, the choice of proposals and the decoder stay float32, and so
    do coordinates. Backbones other than Swin stay transformers'.

    Raises NotImplementedError for a model that is made otherwise than the published ones.
    """

    def __init__(self, whole: Any, dtype: torch.dtype = torch.float32) -> None:
        config, self.model, self._dtype = whole.config, whole.model, dtype
        if not (config.two_stage and config.embedding_init_target and config.activation_function == "relu" and config.query_dim == 4):
            raise NotImplementedError("another decoder than the published weights have")
        layers, projections, backbone = self.model.encoder.layers, self.model.input_proj_vision, self.model.backbone.conv_encoder.model
        if dtype != torch.float32:
            layers, projections, backbone = (copy.deepcopy(each).to(dtype) for each in (layers, projections, backbone))
        with torch.no_grad():
            self.swin = SwinTokens(backbone) if config.backbone_config.model_type == "swin" else None
            self.encoder, self.decoder = Encoder(self.model, layers, projections), Decoder(whole)
        self._backbone = backbone
        self._queries = int(config.num_queries)
        self._sizes, self._stages, self._texts = Recent(SIZES_KEPT), Recent(SIZES_KEPT), Recent(PROMPTS_KEPT)

    def __call__(self, pixels: Tensor, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(B, Q, T) logits and (B, Q, 4) boxes, cxcywh as shares of the picture. pixels: (B, 3, H, W) without padding."""
        text = self.text(ids)
        found = [self._one(each, text) for each in pixels]
        return torch.stack([logits for logits, _ in found]), torch.stack([boxes for _, boxes in found])

    def text(self, ids: Sequence[int]) -> PromptText:
        """The words' side, from the last few prompts where it can."""
        return self._texts.get(tuple(ids), lambda: prompt_text(self.model, ids))  # type: ignore[no-any-return]

    def encode(self, pixels: Tensor, text: PromptText) -> tuple[Encoded, SizeArrays]:
        """Of (3, H, W) pixels: everything up to the choice of the best proposals."""
        maps, shapes = self._maps(pixels.to(self._dtype))
        arrays = self._arrays(tuple(shapes))
        return self.encoder(maps, text, arrays), arrays

    def decode(self, encoded: Encoded, arrays: SizeArrays, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """(Q, T) logits and (Q, 4) boxes. chosen: (Q) the proposals to begin with."""
        return self.decoder(self.first_boxes(encoded, arrays, chosen), encoded.memory, encoded.words, arrays.grid)

    def first_boxes(self, encoded: Encoded, arrays: SizeArrays, chosen: Tensor) -> Tensor:
        """(Q, 4) of those proposals, cxcywh as shares of the picture."""
        moves = self.model.encoder_output_bbox_embed(encoded.proposals[chosen])
        return (moves + arrays.proposals[chosen]).sigmoid()  # type: ignore[no-any-return]

    def _one(self, pixels: Tensor, text: PromptText) -> tuple[Tensor, Tensor]:
        encoded, arrays = self.encode(pixels, text)
        return self.decode(encoded, arrays, torch.topk(encoded.best, self._queries).indices)

    def _maps(self, pixels: Tensor) -> tuple[list[Tensor], list[Shape]]:
        if self.swin is None:
            maps = self._backbone(pixels[None], return_dict=True).feature_maps
            return [each[0].flatten(1).T for each in maps], [tuple(each.shape[-2:]) for each in maps]
        shapes = self.swin.shapes((pixels.shape[-2], pixels.shape[-1]))
        return self.swin(self.swin.patches(pixels), self._stage_arrays(tuple(shapes))), self.swin.given(shapes)

    def _stage_arrays(self, shapes: tuple[Shape, ...]) -> list[SwinStageArrays]:
        assert self.swin is not None
        swin = self.swin
        return self._stages.get(shapes, lambda: swin.arrays(shapes))  # type: ignore[no-any-return]

    def _arrays(self, shapes: tuple[Shape, ...]) -> SizeArrays:
        model, levels = self.model, list(shapes)
        while len(levels) < len(model.level_embed):
            levels.append(halved(levels[-1]))

        def make() -> SizeArrays:
            place = model.backbone.position_embedding
            return size_arrays(levels, backbone_levels=len(shapes), position_embedding=place, level_embed=model.level_embed)

        return self._sizes.get(shapes, make)  # type: ignore[no-any-return]
