"""Frozen DINOv3 on transformers: square crops in, unit vectors out; ViT and ConvNeXt.   DINOLABEL_EMBEDDER=dinov3

Checkpoints of DINOv2 with registers are read by `dinov2`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import torch

from dinolabel.vision.embedders.dinov2 import FEATURES, Dinov2

WEIGHTS = "folder"


class Dinov3(Dinov2):
    """An `Embedder` (dinolabel/vision/protocols.py) with the checkpoint of `folder`.

    Of a ViT as DINOv2: class token, then with `cls+patches` the mean of the patch tokens, which stand behind the registers. A ConvNeXt's
    first token is the mean of its map already, normed after: there is nothing to append, and its one feature is that token.
    """

    KINDS = frozenset({"dinov3_vit", "dinov3_convnext"})
    FAMILY = "dinov3"
    RESAMPLE = PIL.Image.Resampling.BILINEAR  # as its own processor, which needs torchvision

    @property
    def width(self) -> int:
        config: Any = self._model.config
        return int(config.hidden_sizes[-1] if config.model_type == "dinov3_convnext" else config.hidden_size)

    def feature(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, 0] if self.preprocessing["feature"] == "cls" else super().feature(tokens)

    def _offered(self, settings: dict[str, Any], feature: str) -> str:
        return "cls" if settings["model_type"] == "dinov3_convnext" and feature in FEATURES else feature


def build(weights: str, *, device: str = "auto", precision: str = "auto", feature: str = "cls+patches") -> Dinov3:
    """The embedder in a folder. feature: `cls+patches`, or `cls` for the first half alone.

    Raises WeightsMissing, DeviceUnavailable, ModelError, RequestError.
    """
    return Dinov3(Path(weights), device=device, precision=precision, feature=feature)
