"""OWLv2 on transformers: words and pictures in, boxes out.   DINOLABEL_DETECTOR=owlv2

Each phrase is judged by itself, so a prompt may
have any number of them; a box has one score, its phrase's, which is its text score as well. Scores are lower than GroundingDINO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from transformers import AutoTokenizer, Owlv2ForObjectDetection, Owlv2ImageProcessorPil

from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import pick, precision_name
from dinolabel.vision.loading.transformers_loader import inference_errors, load, silence_transformers, square_side, to_numpy_boxes
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, to_candidates, top_k
from dinolabel.vision.proposals.phrase_tokens import phrase_tokens
from dinolabel.vision.types import Image, Prompt

WEIGHTS = "folder"
KINDS = frozenset({"owlv2"})
AT_ONCE = {"cpu": 1, "cuda": 4, "mps": 4}  # images per pass: on a CPU more gain nothing and cost memory
RULES = 1  # raise it when the way from logits to candidates changes, so that caches are made anew


class Owlv2:
    """A `Detector` (dinolabel/vision/protocols.py) with the checkpoint of `folder`.

    A picture is shrunk or enlarged to fit a square and padded with black below or beside, as in training; boxes come back as shares
    of that square. Pillow resizes, not the checkpoint's own processor, which takes 9 s and 0.9 GB for a photo of 12 megapixels where
    Pillow takes 0.6 s; what the model sees differs by 0.3 % of its range on average.

    Attributes: device (`cpu`, `cuda:0`, `mps`), precision (`float32`, ...), weights (hub id or folder name), side (of the square, pixels).
    """

    def __init__(self, folder: Path, *, device: str, precision: str, input_size: int | None) -> None:
        settings = files.config(folder, allowed=KINDS)
        self.weights = files.describe(folder)
        self.device, self._dtype = pick(device, precision)
        self.precision = precision_name(self._dtype)
        with silence_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            processor = Owlv2ImageProcessorPil.from_pretrained(folder, local_files_only=True)
        self._mean, self._std = (np.asarray(each, np.float32) for each in (processor.image_mean, processor.image_std))
        self._model = load(Owlv2ForObjectDetection, folder, device=self.device)
        self.side, self._own_side = _sides(self._model.config.vision_config, input_size)
        self._room = int(self._model.config.text_config.max_position_embeddings)
        words = sorted(self._tokenizer.get_vocab().items())
        preprocessing = [self.side, processor.image_mean, processor.image_std]
        self._digest = files.digest(folder, "owlv2", RULES, self.precision, preprocessing, settings, words)

    @property
    def name(self) -> str:
        """`owlv2-base-patch16-ensemble`."""
        short = files.short(self.weights)
        return short if "owl" in short else f"owlv2-{short}"

    @property
    def digest(self) -> str:
        return self._digest

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first, before thresholds and suppression. Raises PromptMissing, RequestError, MediaUnreadable, ModelError."""
        phrases, ids = self._words(prompt)
        found: list[list[Candidate]] = []
        step = AT_ONCE[torch.device(self.device).type]
        for start in range(0, len(images), step):
            batch = images[start : start + step]
            fitted = [self._fitted(image.pixels) for image in batch]
            scores, boxes = self._forward(np.stack([self._normalised(each) for each in fitted]), ids)
            for image, small, score, box in zip(batch, fitted, scores, boxes, strict=True):
                scale = np.array([image.width / small.width, image.height / small.height] * 2) * self.side
                winner = score.argmax(axis=1)
                proposed = to_candidates(box * scale, [phrases[each] for each in winner], score.max(axis=1), image=image, floor=floor)
                found.append(top_k(proposed, floor=floor, most=most))
        return found

    def _words(self, prompt: Prompt) -> tuple[list[str], torch.Tensor]:
        """The phrases that say something, and (P, T) token ids, filled up with 0: no mask is needed, as no word sees what is behind it.

        The model would fail at a phrase that is longer than its positions, so that is refused.
        """
        phrases, rows = phrase_tokens(prompt, self._tokenizer, room=self._room)
        longest = max(map(len, rows))
        return phrases, torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=self.device)

    def _fitted(self, pixels: npt.NDArray[np.uint8]) -> PIL.Image.Image:
        """With its longer side as long as the square's. Pillow's filter widens when it shrinks: that is the antialias."""
        picture = PIL.Image.fromarray(pixels)
        scale = self.side / max(picture.size)
        width, height = (max(1, round(each * scale)) for each in picture.size)
        return picture.resize((width, height), PIL.Image.Resampling.BILINEAR)

    def _normalised(self, small: PIL.Image.Image) -> npt.NDArray[np.float32]:
        """(3, side, side): what the picture leaves of the square is black."""
        square = np.zeros((self.side, self.side, 3), np.float32)
        square[: small.height, : small.width] = np.asarray(small, np.float32) / np.float32(255)
        return np.asarray((square - self._mean) / self._std, np.float32).transpose(2, 0, 1)

    def _forward(self, pixels: npt.NDArray[np.float32], ids: torch.Tensor) -> tuple[Any, Any]:
        """(B, N, P) probabilities and (B, N, 4) xyxy boxes as shares of the square, both float32 arrays."""
        with inference_errors(self.weights, self.device, self._dtype):
            out = self._model(
                pixel_values=torch.from_numpy(pixels).to(self.device),
                input_ids=ids.repeat(len(pixels), 1),
                interpolate_pos_encoding=self.side != self._own_side,
            )
            return to_numpy_boxes(out.logits, out.pred_boxes, weights=self.weights, precision=self.precision)


def build(weights: str, *, device: str = "auto", precision: str = "auto", input_size: int | None = None) -> Owlv2:
    """The detector in a folder. input_size: side of the square in pixels; None as the checkpoint says.

    Raises WeightsMissing, DeviceUnavailable, ModelError, SettingsError.
    """
    return Owlv2(Path(weights), device=device, precision=precision, input_size=input_size)


def _sides(config: Any, input_size: int | None) -> tuple[int, int]:
    """The square's side, in whole patches, and the one that the positions were learnt at."""
    own, patch = int(config.image_size), int(config.patch_size)
    return square_side(own, patch, input_size), own
