"""Any image embedder in an ONNX file, such as one made for faces: square crops in, unit vectors out.

    DINOLABEL_EMBEDDER=onnx DINOLABEL_EMBEDDER_WEIGHTS=/models/faces.onnx

How pixels go in stands beside
the model, in a JSON file of its name (`faces.json`): {"side": 112, "mean": [127.5, 127.5, 127.5], "std": [128, 128, 128], "order": "RGB"},
mean and std on the scale 0 to 255; without it, the side is the model's own and the rest is as in this example.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from dinolabel.vision.errors import DeviceUnavailable, ModelError, WeightsMissing
from dinolabel.vision.loading.weights import short
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Crop, Embeddings

AT_ONCE = 16
DEFAULTS = {"mean": [127.5] * 3, "std": [128.0] * 3, "order": "RGB"}  # as ArcFace's published models have it
WEIGHTS = "file"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Onnx:
    """An `Embedder` (dinolabel/vision/protocols.py) with the model of one file: (N, 3, S, S) or (1, 3, S, S) in, (N, D) first out.

    Attributes: weights (the file's name), device, precision, preprocessing (plain values, part of the digest).
    """

    precision = "float32"

    def __init__(self, path: Path, *, device: str) -> None:
        runtime = _runtime()
        self.weights, self.device = path.name, _device(device, runtime.get_available_providers())
        content = path.read_bytes()
        try:
            self._session = runtime.InferenceSession(content, providers=[PROVIDERS[self.device]])
        except Exception as error:  # onnxruntime raises a class of its own for each way a file can be wrong
            raise ModelError(f"{path.name} is no ONNX model that can be run: {error}", hint="Export or copy it again.") from error
        taken = self._session.get_inputs()
        if len(taken) != 1 or len(taken[0].shape) != 4 or taken[0].shape[1] != 3:
            shapes = ", ".join(str(each.shape) for each in taken)
            raise ModelError(f"{path.name} takes {shapes}; needed is one image, (N, 3, S, S).", hint="Export the model with that input.")
        self._input, self._single = taken[0].name, taken[0].shape[0] == 1
        self.preprocessing = _preprocessing(path, taken[0].shape)
        self.dim = int(self._run(np.zeros((1, 3, self.preprocessing["side"], self.preprocessing["side"]), np.float32)).shape[1])
        facts = json.dumps([self.preprocessing, self.precision], sort_keys=True).encode()
        self.digest = hashlib.sha256(hashlib.sha256(content).digest() + facts).hexdigest()

    @property
    def name(self) -> str:
        """`onnx-faces`."""
        return f"onnx-{short(Path(self.weights).stem)}"

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        """(N, dim) float32, rows of unit norm. Raises ModelError."""
        rows = np.zeros((len(crops), self.dim), np.float32)
        step = 1 if self._single else AT_ONCE
        for start in range(0, len(crops), step):
            rows[start : start + step] = self._run(np.stack([self._pixels(each) for each in crops[start : start + step]]))
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise ModelError(f"{self.weights} gave numbers that are none.", hint="See that mean, std and order are those of its training.")
        return np.asarray(rows / norms, dtype=np.float32)

    def _run(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found = np.asarray(self._session.run(None, {self._input: pixels})[0], np.float32)
        return found.reshape(len(pixels), -1)

    def _pixels(self, crop: Crop) -> npt.NDArray[np.float32]:
        """(3, side, side), normalised."""
        how = self.preprocessing
        resized = PIL.Image.fromarray(crop.pixels).resize((how["side"], how["side"]), PIL.Image.Resampling.BICUBIC)
        ordered = np.asarray(resized, np.float32)[:, :, :: 1 if how["order"] == "RGB" else -1]
        return ((ordered - np.float32(how["mean"])) / np.float32(how["std"])).astype(np.float32).transpose(2, 0, 1)


def build(weights: str, *, device: str = "auto", precision: str = "auto") -> Onnx:
    """The embedder of an .onnx file. precision: float32 whatever is asked; the file decides. Raises WeightsMissing, ModelError."""
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsMissing(f"There is no ONNX file {path.name}.", hint="Name its path in DINOLABEL_EMBEDDER_WEIGHTS.")
    return Onnx(path, device=device)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("onnxruntime is not installed.", hint="pip install onnxruntime, or onnxruntime-gpu.") from error
    return onnxruntime


def _device(asked: str, providers: Sequence[str]) -> str:
    kind = asked.split(":")[0]
    if kind == "auto":
        return "cuda" if PROVIDERS["cuda"] in providers else "cpu"
    if PROVIDERS.get(kind) not in providers:
        raise DeviceUnavailable(f"This onnxruntime has no {asked}; it has {', '.join(providers)}.")
    return kind


def _preprocessing(path: Path, shape: Sequence[Any]) -> dict[str, Any]:
    """What the JSON beside the model says, over the defaults; the side from the model where it fixes one."""
    beside = path.with_suffix(".json")
    try:
        said = parse_json(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        side = int(shape[2]) if isinstance(shape[2], int) else int(said["side"])
        how = DEFAULTS | {key: said[key] for key in DEFAULTS if key in said}
        if how["order"] not in ("RGB", "BGR") or not all(len(how[key]) == 3 for key in ("mean", "std")):
            raise ValueError("order is RGB or BGR, mean and std have three numbers")
    except (ValueError, TypeError, KeyError) as error:
        hint = f'Write {{"side": 112}} into {beside.name}, with mean, std and order where they differ from the defaults.'
        raise ModelError(f"How pixels go into {path.name} is not clear: {error}.", hint=hint) from error
    return {"side": side, **how}
