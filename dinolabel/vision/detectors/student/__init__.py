"""A student of one's own: pictures in, boxes of the few labels it was trained for out.   DINOLABEL_DETECTOR=student

Made by `dinolabel distil` (docs/own-detector.md). It reads no words: a prompt may ask for any of the phrases that it was trained for, and
others are unknown to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dinolabel.vision.detectors.student.dense import DenseStudent
from dinolabel.vision.errors import ModelError, PromptMissing, SettingsError, first_line
from dinolabel.vision.loading import weights as files
from dinolabel.vision.loading.device import pick, precision_name
from dinolabel.vision.loading.transformers_loader import inference_errors, to_numpy_boxes
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, to_candidates, top_k
from dinolabel.vision.proposals.nms import duplicates
from dinolabel.vision.students.student import DENSE, NMS_IOU, Student
from dinolabel.vision.types import Image, Prompt

WEIGHTS = "folder"
MODEL_TYPE = "dinolabel-student"  # in config.json
AT_ONCE = 8  # pictures per forward pass
RIVALS = 1000  # boxes of a picture among which duplicates are sought
SMALLEST = 64  # side, pixels
RULES = 1  # raise it when the way from logits to candidates changes, so that caches are made anew


class StudentDetector:
    """A `Detector` (dinolabel/vision/protocols.py) with the student of `folder`.

    Many cells see one object, so its duplicates are left out before the best are taken.

    Attributes: device (`cpu`, `cuda:0`, `mps`), precision (`float32`, ...), weights (folder name), side (of the square, pixels), student.
    """

    def __init__(self, folder: Path, *, device: str, precision: str, input_size: int | None) -> None:
        if input_size is not None and input_size < SMALLEST:
            raise SettingsError(f"The input size {input_size} is too small: at least {SMALLEST} pixels.")
        settings = files.config(folder, allowed={MODEL_TYPE})
        self.student = Student.load(folder)
        self.weights = files.describe(folder)
        self.device, self._dtype = pick(device, precision)
        self.precision = precision_name(self._dtype)
        self.side = input_size or self.student.side
        self._model = load_network(folder, self.student).to(self.device)
        self._digest = files.digest(folder, "student", RULES, self.precision, self.side, self.student.digest, settings)

    @property
    def name(self) -> str:
        """`student-gdino-nano`."""
        return self.student.name

    @property
    def digest(self) -> str:
        return self._digest

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first, before thresholds. Raises PromptMissing, MediaUnreadable, ModelError."""
        if not any(letter.isalnum() for phrase in prompt.phrases for letter in phrase):
            raise PromptMissing("There are no words to look for.")
        found: list[list[Candidate]] = []
        for start in range(0, len(images), AT_ONCE):
            part = images[start : start + AT_ONCE]
            pixels = torch.from_numpy(np.stack([square(each.pixels, self.side) for each in part])).permute(0, 3, 1, 2).to(self.device)
            with inference_errors(self.weights, self.device, self._dtype):
                scores, boxes = to_numpy_boxes(*self._model(pixels), weights=self.weights, precision=self.precision)
            found += [self._read(image, score, xyxy, prompt, floor, most) for image, score, xyxy in zip(part, scores, boxes, strict=True)]
        return found

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        """Those it was not trained for."""
        return tuple(each for each in prompt.phrases if each not in self.student.phrases)

    def _read(
        self, image: Image, scores: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], prompt: Prompt, floor: float, most: int
    ) -> list[Candidate]:
        """scores (N, C) and boxes (N, 4) xyxy shares of one picture; of a label's phrases the first that is asked for stands for all."""
        asked: dict[str, str] = {}
        for phrase in prompt.phrases:
            if (label := self.student.phrases.get(phrase)) is not None:
                asked.setdefault(label, phrase)
        columns = [index for index, label in enumerate(self.student.labels) if label in asked]
        if not columns:
            return []
        place, column = np.nonzero(scores[:, columns] >= floor)
        score = scores[:, columns][place, column]
        order = np.argsort(-score, kind="stable")[:RIVALS]
        place, column, score = place[order], column[order], score[order]
        size = np.array([image.width, image.height] * 2, np.float32)
        pixels = (boxes[place] * size).clip(0, size)
        real = (pixels[:, 2:] > pixels[:, :2]).all(axis=1)
        pixels, column, score = pixels[real], column[real], score[real]
        kept = ~duplicates(pixels, column, iou=NMS_IOU)
        phrases = [asked[self.student.labels[columns[each]]] for each in column[kept]]
        return top_k(to_candidates(pixels[kept], phrases, score[kept], image=image, floor=floor), floor=floor, most=most)


def build(weights: str, *, device: str = "auto", precision: str = "auto", input_size: int | None = None) -> StudentDetector:
    """The student in a folder. input_size: side of the square in pixels; None as it was trained.

    Raises WeightsMissing, DeviceUnavailable, ModelError, SettingsError.
    """
    return StudentDetector(Path(weights), device=device, precision=precision, input_size=input_size)


def load_network(folder: Path, student: Student) -> torch.nn.Module:
    """The student's network on the CPU, float32, in evaluation mode: (B, 3, S, S) uint8 in, logits and cxcywh shares out.

    Raises ModelError.
    """
    settings = files.config(folder, allowed={MODEL_TYPE})
    try:
        if student.kind != DENSE:
            raise ModelError(f"A student of kind {student.kind!r} is not known here.", hint="Update dinolabel.")
        model: torch.nn.Module = DenseStudent(settings["eyes"], len(student.labels))
        model.load_state_dict({name: each.float() for name, each in load_file(folder / "model.safetensors").items()})
    except (KeyError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise ModelError(
            f"The student in {folder.name} is damaged: {first_line(error)}", hint="Train again with `dinolabel distil`."
        ) from error
    return model.eval()


def square(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) stretched to (side, side, 3)."""
    return np.array(PIL.Image.fromarray(pixels).resize((side, side), PIL.Image.Resampling.BILINEAR))
