"""SAM 3 on transformers: words and pictures in, boxes out; its Lite text model loads the same way.   DINOLABEL_DETECTOR=sam3

Each phrase is looked for by itself. The model says of each box how well it fits, and of the picture whether the thing is in it at all (its
presence score); a box has the product of the two, so that a thing that is not there has low scores everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from transformers import AutoTokenizer, Sam3Config, Sam3LiteTextConfig, Sam3LiteTextModel, Sam3Model

from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import pick, precision_name
from dinolabel.vision.loading.transformers_loader import (
    check_numbers,
    image_processor,
    inference_errors,
    load,
    silence_transformers,
    square_side,
)
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, to_candidates, top_k
from dinolabel.vision.proposals.phrase_tokens import phrase_tokens
from dinolabel.vision.types import Image, Prompt

WEIGHTS = "folder"
CLASSES = {  # facebook/sam3 calls itself sam3_video: the detector lies in it
    "sam3": (Sam3Config, Sam3Model),
    "sam3_video": (Sam3Config, Sam3Model),
    "sam3_lite_text": (Sam3LiteTextConfig, Sam3LiteTextModel),
}
AT_ONCE = 1  # images per forward pass: one fills a GPU at 1,008 pixels, and takes 6 GB
MOST_TOKENS = 32  # transformers' processor fills up to so many and cuts nothing: a longer row fails in the model
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
RULES = 1  # raise it when the way from logits to candidates changes, so that caches are made anew


class Sam3:
    """A `Detector` (dinolabel/vision/protocols.py) with the checkpoint of `folder`.

    A picture is squeezed into a square, as in training; boxes come back as shares of it. Pillow resizes: the checkpoint's own processor
    needs torchvision, which does not fit the torch that is here.

    Attributes: device (`cpu`, `cuda:0`, `mps`), precision (`float32`, ...), weights (hub id or folder name), side (of the square, pixels).
    """

    def __init__(self, folder: Path, *, device: str, precision: str, input_size: int | None) -> None:
        settings = files.config(folder, allowed=CLASSES)
        config_class, model_class = CLASSES[settings["model_type"]]
        self.weights = files.describe(folder)
        self.device, self._dtype = pick(device, precision)
        self.precision = precision_name(self._dtype)
        with silence_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            config: Any = config_class.from_pretrained(folder, local_files_only=True)
        config.image_size = self.side = _side(config, input_size)  # positions are made for one size
        self._model = load(model_class, folder, device=self.device, config=config)
        self._room = min(MOST_TOKENS, int(config.text_config.max_position_embeddings))
        processor = image_processor(folder)
        self._mean, self._std = (
            np.asarray(processor.get(key) or usual, np.float32) for key, usual in (("image_mean", MEAN), ("image_std", STD))
        )
        preprocessing = [self.side, self._mean.tolist(), self._std.tolist()]
        words = sorted(self._tokenizer.get_vocab().items())
        self._digest = files.digest(folder, "sam3", RULES, self.precision, preprocessing, settings, words)

    @property
    def name(self) -> str:
        """`sam3`, `sam3-litetext-s0`."""
        short = files.short(self.weights)
        return short if "sam3" in short else f"sam3-{short}"

    @property
    def digest(self) -> str:
        return self._digest

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first, before thresholds and suppression. Raises PromptMissing, RequestError, MediaUnreadable, ModelError."""
        phrases, ids, mask = self._words(prompt)
        found: list[list[Candidate]] = []
        for start in range(0, len(images), AT_ONCE):
            batch = images[start : start + AT_ONCE]
            answers = self._forward(np.stack([self._pixels(image.pixels) for image in batch]), ids, mask)
            for place, image in enumerate(batch):
                size = np.array([image.width, image.height] * 2)
                proposed = [
                    each
                    for phrase, (scores, boxes) in zip(phrases, answers, strict=True)
                    for each in to_candidates(boxes[place] * size, [phrase] * len(boxes[place]), scores[place], image=image, floor=floor)
                ]
                found.append(top_k(proposed, floor=floor, most=most))
        return found

    def _words(self, prompt: Prompt) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        """The phrases that say something, and (P, T) token ids and mask. A phrase that is too long is refused, not cut."""
        phrases, _ = phrase_tokens(prompt, self._tokenizer, room=self._room)
        given = self._tokenizer(phrases, padding="max_length", max_length=self._room, return_tensors="pt", verbose=False)
        return phrases, given["input_ids"].to(self.device), given["attention_mask"].to(self.device)

    def _pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(3, side, side), normalised. Pillow's filter widens when it shrinks: that is the antialias."""
        small = PIL.Image.fromarray(pixels).resize((self.side, self.side), PIL.Image.Resampling.BILINEAR)
        unit = np.asarray(small, np.float32) / np.float32(255)
        return np.asarray((unit - self._mean) / self._std, np.float32).transpose(2, 0, 1)

    def _forward(self, pixels: npt.NDArray[np.float32], ids: torch.Tensor, mask: torch.Tensor) -> list[tuple[Any, Any]]:
        """For each phrase (B, N) scores and (B, N, 4) xyxy boxes as shares of the picture, both float32 arrays.

        The picture is looked at once; what follows is done for each phrase.
        """
        count = len(pixels)
        with inference_errors(self.weights, self.device, self._dtype):
            seen = self._model.get_vision_features(torch.from_numpy(pixels).to(self.device))
            return [
                self._read(self._model(vision_embeds=seen, input_ids=row.repeat(count, 1), attention_mask=valid.repeat(count, 1)))
                for row, valid in zip(ids[:, None], mask[:, None], strict=True)
            ]

    def _read(self, out: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        scores = out.pred_logits.float().sigmoid()
        if out.presence_logits is not None:
            scores = scores * out.presence_logits.float().sigmoid()
        arrays = scores.cpu().numpy(), out.pred_boxes.float().cpu().numpy()
        check_numbers(*arrays, weights=self.weights, precision=self.precision)
        return arrays


def build(weights: str, *, device: str = "auto", precision: str = "auto", input_size: int | None = None) -> Sam3:
    """The detector in a folder. input_size: side of the square in pixels; None as the checkpoint says.

    Raises WeightsMissing, DeviceUnavailable, ModelError, SettingsError.
    """
    return Sam3(Path(weights), device=device, precision=precision, input_size=input_size)


def _side(config: Any, input_size: int | None) -> int:
    """The square's side, in whole patches."""
    vision = config.vision_config.backbone_config
    own, patch = (int(each if isinstance(each, int) else each[0]) for each in (vision.image_size, vision.patch_size))
    return square_side(own, patch, input_size)
