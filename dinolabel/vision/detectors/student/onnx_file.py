"""A student as one ONNX file, which onnxruntime reads without torch: pixels in, scores and corners out.

Input `pixels` (B, 3, S, S) uint8 RGB, stretched to the square; outputs `scores` (B, N, C) 0..1 and `boxes` (B, N, 4) xyxy as shares of the
picture, for every cell: what is below a threshold and what repeats a better box is left to the reader. Labels, side and threshold stand in
the file's metadata.
"""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dinolabel.vision.errors import ModelError
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.students.student import Student

OPSET = 17
LARGEST_ERROR = 1e-4  # of a score and of a share of the picture, between torch and onnxruntime
NEEDED = 'pip install "dinolabel[onnx]" onnx'


class _Answers(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes = self.network(pixels)
        centre, size = boxes[..., :2], boxes[..., 2:]
        return logits.sigmoid(), torch.cat([centre - size / 2, centre + size / 2], -1)


def write(network: nn.Module, student: Student, out: Path, *, pictures: Sequence[npt.NDArray[np.uint8]]) -> float:
    """Write the file, and compare it with torch on these pictures, (S, S, 3) each; the largest difference.

    Raises ModelError where onnx or onnxruntime is not installed, or where the two differ by more than LARGEST_ERROR; nothing is left then.
    """
    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise ModelError(f"ONNX files are written with {name}, which is not installed.", hint=NEEDED)
    answers = _Answers(network).eval()
    example = torch.zeros(2, 3, student.side, student.side, dtype=torch.uint8)
    with atomic_file(out) as half:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter that needs no further package says that there is another
            torch.onnx.export(
                answers, (example,), str(half), dynamo=False, opset_version=OPSET, input_names=["pixels"], output_names=["scores", "boxes"],
                dynamic_axes={name: {0: "pictures"} for name in ("pixels", "scores", "boxes")},
            )  # fmt: skip
        _describe(half, student)
        apart = _largest_difference(answers, half, pictures)
        if apart > LARGEST_ERROR:
            raise ModelError(f"The ONNX file answers otherwise than torch, by {apart:.1g}.", hint="Export with another onnxruntime.")
    return apart


def _describe(path: Path, student: Student) -> None:
    import onnx

    model = onnx.load(str(path))
    facts = {"labels": json.dumps(student.labels), "side": str(student.side), "threshold": str(student.threshold)}
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, str(path))


def _largest_difference(answers: nn.Module, path: Path, pictures: Sequence[npt.NDArray[np.uint8]]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    apart = 0.0
    for each in pictures:
        pixels = np.ascontiguousarray(each.transpose(2, 0, 1)[None])
        with torch.no_grad():
            expected = answers(torch.from_numpy(pixels))
        pairs = zip(expected, session.run(None, {"pixels": pixels}), strict=True)
        apart = max(apart, *(float(np.abs(ours.numpy() - theirs).max()) for ours, theirs in pairs))
    return apart
