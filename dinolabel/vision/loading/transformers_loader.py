"""A checkpoint's folder as a model ready to answer: read from local files only, complete, quiet.

Models are plugs' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors import SafetensorError
from transformers.utils import logging as noise

from dinolabel.vision.errors import ModelError, SettingsError, first_line
from dinolabel.vision.loading.device import inference, tune_allocator
from dinolabel.vision.loading.weights import describe, read_json

log = structlog.get_logger(__name__)

MISSING_SHARE = 0.05  # above this share of absent tensors a checkpoint is of another model; below, a buffer was renamed


def image_processor(folder: Path) -> dict[str, Any]:
    """The image processor's settings, in either of the files transformers keeps them in; empty when the folder has none."""
    return read_json(folder / "preprocessor_config.json") or dict(read_json(folder / "processor_config.json").get("image_processor", {}))


def load(model_class: Any, folder: Path, *, device: str, config: Any = None) -> Any:
    """The folder's model on `device`, float32, in evaluation mode. config: in place of the folder's.

    Raises ModelError when it is damaged or not all there.
    """
    tune_allocator()
    with silence_transformers():
        try:
            model, report = model_class.from_pretrained(
                folder, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            first = first_line(error)
            raise ModelError(f"The weights {describe(folder)} cannot be loaded: {first}", hint="Copy or download them again.") from error
    _check_missing(report, folder, total=len(model.state_dict()))
    return model.to(device).eval()


@contextmanager
def silence_transformers() -> Iterator[None]:
    """transformers' progress bars and advice off, and back to what they were."""
    level, bars = noise.get_verbosity(), noise.is_progress_bar_enabled()
    noise.set_verbosity_error()
    noise.disable_progress_bar()
    try:
        yield
    finally:
        noise.set_verbosity(level)
        if bars:
            noise.enable_progress_bar()


@contextmanager
def inference_errors(weights: str, device: str, dtype: torch.dtype) -> Iterator[None]:
    """As dinolabel.vision.loading.device.computing, and what torch cannot do becomes a ModelError."""
    try:
        with inference(device, dtype):
            yield
    except RuntimeError as error:
        first = first_line(error)
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in first:
            hint = "Set a smaller input size or batch size, or another device."
            raise ModelError(f"There is not enough memory on {device} for {weights}.", hint=hint) from error
        raise ModelError(f"{weights} failed on {device}: {first}", hint="Try device=cpu and precision=float32.") from error


def to_numpy_boxes(logits: Any, boxes: Any, *, weights: str, precision: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Tensors (B, N, K) and (B, N, 4) cxcywh as float32 arrays: probabilities, and xyxy boxes in the unit they had.

    Raises ModelError when some are no numbers.
    """
    probabilities = logits.float().sigmoid().cpu().numpy()
    centre, size = np.split(boxes.float().cpu().numpy(), 2, axis=-1)
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    check_numbers(probabilities, corners, weights=weights, precision=precision)
    return probabilities, corners


def check_numbers(*arrays: npt.NDArray[np.float32], weights: str, precision: str) -> None:
    """Raises ModelError when some of what a model gave are no numbers."""
    if not all(np.isfinite(each).all() for each in arrays):
        raise ModelError(f"{weights} gave numbers that are none in {precision}.", hint="Set precision=float32.")


def square_side(own: int, patch: int, input_size: int | None) -> int:
    """Side of the square that a detector sees, in whole patches, pixels. own: the checkpoint's, for None. Raises SettingsError."""
    side = (own if input_size is None else input_size) // patch * patch
    if side < 4 * patch:
        raise SettingsError(f"The input size {input_size} is too small: at least {4 * patch} pixels.")
    return side


def _check_missing(report: dict[str, Any], folder: Path, *, total: int) -> None:
    """transformers fills absent tensors with random numbers and only warns: many of them are an error, few are told."""
    missing = sorted(report["missing_keys"])
    if len(missing) > MISSING_SHARE * total:
        raise ModelError(
            f"The weights {describe(folder)} lack {len(missing)} of {total} tensors, {missing[0]} among them.",
            hint="Copy or download them again; config.json may belong to other weights.",
        )
    if missing:
        log.warning("weights_incomplete", weights=describe(folder), missing=missing)
