"""Frozen DINOv2 on transformers: square crops in, unit vectors out; checkpoints with registers load the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from transformers import AutoModel

from dinolabel.vision.errors import ModelError, RequestError
from dinolabel.vision.images.network_input import IMAGENET_MEAN, IMAGENET_STD, look_up
from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import pick, precision_name
from dinolabel.vision.loading.feature_slice import Feature
from dinolabel.vision.loading.transformers_loader import image_processor, inference_errors, load
from dinolabel.vision.types import Crop, Embeddings

WEIGHTS = "folder"
FEATURES = {"cls": "class token", "cls+patches": "class token and mean patch token"}
AT_ONCE = {"cpu": 8, "cuda": 64, "mps": 16}  # crops per pass; on a CPU 8 is fastest and 32 slower again
DEFAULT_SIDE = 224
PATCH = 32  # of weights that name none: a ConvNeXt's map is 32 times smaller than its picture


class Dinov2:
    """An `Embedder` (dinolabel/vision/protocols.py) with the checkpoint of `folder`.

    The first feature is the class token as the model returns it, already normed; norming it again is a known mistake. With
    `cls+patches` the mean of the patch tokens is appended, as in the authors' linear evaluation (dinov2/eval/linear.py): for the same
    forward pass, and the first half of a row is then the class token still.
    The whole crop is resized: the centre crop of the checkpoints' own processor would cut an eighth off each side.

    Attributes: folder, device, precision, weights (`nano`, hub id or folder name), preprocessing (plain values, part of the digest).
    """

    KINDS = frozenset({"dinov2", "dinov2_with_registers"})
    FAMILY = "dinov2"
    RESAMPLE = PIL.Image.Resampling.BICUBIC

    def __init__(self, folder: Path, *, device: str, precision: str, feature: str) -> None:
        if feature not in FEATURES:
            raise RequestError(f"There is no feature {feature!r}.", hint=f"Choose one of {', '.join(FEATURES)}.")
        settings = files.config(folder, allowed=self.KINDS)
        feature = self._offered(settings, feature)
        self.folder = folder
        self.weights = files.describe(folder)
        self.device, self._dtype = pick(device, precision)
        self.precision = precision_name(self._dtype)
        how = _preprocessing(image_processor(folder), settings, feature)
        self.preprocessing = how | {"resample": f"{self.RESAMPLE.name.lower()}, antialias"}
        self._model = load(AutoModel, folder, device=self.device)
        named = {each: self.preprocessing | {"feature": each} for each in (FEATURES if feature == "cls+patches" else (feature,))}
        self._digests = {each: files.digest(folder, self.precision, how, settings) for each, how in named.items()}

    @property
    def name(self) -> str:
        """`dinov2-small`, `dinov2-nano`."""
        short = files.short(self.weights)
        return short if self.FAMILY in short else f"{self.FAMILY}-{short}"

    @property
    def digest(self) -> str:
        return self._digests[self.preprocessing["feature"]]

    @property
    def dim(self) -> int:
        return self.features[-1].width

    @property
    def features(self) -> tuple[Feature, ...]:
        """The class token; then, where patches are appended, both."""
        return tuple(
            Feature(FEATURES[name], times * self.width, digest) for times, (name, digest) in enumerate(self._digests.items(), start=1)
        )

    @property
    def width(self) -> int:
        """Of one token."""
        return int(self._model.config.hidden_size)

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        """(N, dim) float32, rows of unit norm. Raises ModelError."""
        rows = np.zeros((len(crops), self.dim), dtype=np.float32)
        step = AT_ONCE[torch.device(self.device).type]
        for start in range(0, len(crops), step):
            rows[start : start + step] = self._forward(crops[start : start + step])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise ModelError(f"{self.weights} gave numbers that are none in {self.precision}.", hint="Set precision=float32.")
        return np.asarray(rows / norms, dtype=np.float32)

    def _offered(self, settings: dict[str, Any], feature: str) -> str:
        """The feature that weights of these settings have where this one was asked for."""
        return feature

    def _forward(self, crops: Sequence[Crop]) -> npt.NDArray[np.float32]:
        pixels = self.pixels(crops).to(self.device)
        with inference_errors(self.weights, self.device, self._dtype):
            tokens = self._model(pixel_values=pixels).last_hidden_state.float()
        return np.asarray(self.feature(tokens).cpu().numpy())

    def feature(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, T, width) normed tokens -> (N, dim), not of unit length yet."""
        first, patches = tokens[:, 0], tokens[:, 1 + getattr(self._model.config, "num_register_tokens", 0) :]
        return first if self.preprocessing["feature"] == "cls" else torch.cat([first, patches.mean(dim=1)], dim=1)

    def pixels(self, crops: Sequence[Crop]) -> torch.Tensor:
        """(N, 3, side, side) float32, as the network takes them: normalised by looking up the 256 values that a colour has.

        Pillow's bicubic widens its filter when it shrinks: that is the antialias.
        """
        side = self.preprocessing["side"]
        mean, std = (np.asarray(self.preprocessing[key], dtype=np.float32)[:, None] for key in ("mean", "std"))
        values = (np.arange(256, dtype=np.float32) / np.float32(255) - mean) / std
        batch = np.empty((len(crops), 3, side, side), np.float32)
        for crop, planes in zip(crops, batch, strict=True):
            resized = np.asarray(PIL.Image.fromarray(crop.pixels).resize((side, side), self.RESAMPLE))
            look_up(resized, values, planes)
        return torch.from_numpy(batch)


def build(weights: str, *, device: str = "auto", precision: str = "auto", feature: str = "cls+patches") -> Dinov2:
    """The embedder in a folder. feature: `cls+patches`, or `cls` for the first half alone.

    Raises WeightsMissing, DeviceUnavailable, ModelError, RequestError.
    """
    return Dinov2(Path(weights), device=device, precision=precision, feature=feature)


def _preprocessing(processor: dict[str, Any], settings: dict[str, Any], feature: str) -> dict[str, Any]:
    """Side from the checkpoint's processor (what its centre crop leaves, else its size), whole patches only."""
    asked = processor.get("crop_size") or processor.get("size") or min(DEFAULT_SIDE, settings["image_size"])
    side = int(asked if isinstance(asked, int) else asked.get("height") or asked["shortest_edge"])
    patch = int(settings.get("patch_size") or PATCH)
    return {
        "side": max(patch, side // patch * patch),
        "mean": list(processor.get("image_mean") or IMAGENET_MEAN),
        "std": list(processor.get("image_std") or IMAGENET_STD),
        "feature": feature,
        "norm": "l2",
    }
