"""Label Studio's own reading, by its SDK: of the label config, before a prediction is sent, and of what a brush painted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any


def validate_prediction(label_config: str, prediction: Mapping[str, Any]) -> list[str]:
    """What Label Studio would drop the prediction for, in its words; empty when it would store it.

    label_config: XML. prediction: with `result`, `score` and `model_version`, as the bulk import takes it.
    """
    sent = {key: prediction[key] for key in ("result", "score", "model_version")}
    return list(_interface(label_config).validate_prediction(sent, return_errors=True))


def brush_values(rle: Sequence[int]) -> Any:
    """(N,) uint8: the run lengths of a brush, written out; four values a pixel, row by row, of which the last is what was painted."""
    with _importing, _defer_samples():
        from label_studio_sdk.converter.brush import decode_rle

    return decode_rle(rle)


def prepare() -> None:
    """Import the SDK in a thread of its own, so that it is there when the first prediction is."""
    threading.Thread(target=_interface, args=(_ANY,), name="sdk", daemon=True).start()


_ANY = '<View><Image name="i" value="$i"/><RectangleLabels name="l" toName="i"><Label value="x"/></RectangleLabels></View>'
_importing = threading.Lock()


@lru_cache(maxsize=16)
def _interface(label_config: str) -> Any:
    with _importing, _defer_samples():
        from label_studio_sdk.label_interface import LabelInterface

    return LabelInterface(config=label_config)


@contextmanager
def _defer_samples() -> Iterator[None]:
    """Let the SDK be imported without jsf, which it needs only to invent sample tasks: with it come faker and boto3, and its import
    takes 0.9 instead of 0.3 CPU seconds and 40 MB more (measured). Whoever asks for a sample all the same gets the real one."""
    if "jsf" in sys.modules:
        yield
        return
    stand_in = ModuleType("jsf")
    stand_in.JSF = _sample  # type: ignore[attr-defined]
    sys.modules["jsf"] = stand_in
    try:
        yield
    finally:
        del sys.modules["jsf"]


def _sample(*schema: Any, **options: Any) -> Any:
    from jsf import JSF

    return JSF(*schema, **options)
