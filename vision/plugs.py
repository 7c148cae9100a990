"""Detectors, embedders and heads by name: the file name is the name.

Knows the folders; imports a plug's file, and with it torch, only when that plug is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

from vision.errors import ModelError, UnknownPlug
from vision.protocols import Detector, Embedder
from vision.weights import NANO, find

HERE = Path(__file__).resolve().parent
KINDS = ("detector", "embedder", "head")


def names(kind: str) -> tuple[str, ...]:
    """What there is of `detector`, `embedder` or `head`, sorted. Raises UnknownPlug for any other kind."""
    if kind not in KINDS:
        raise UnknownPlug(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.")
    files = (HERE / f"{kind}s").glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def load_detector(
    name: str,
    weights: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    input_size: int | None = None,
    models_dir: Path | None = None,
) -> Detector:
    """Ready to detect. models_dir: looked into for hub ids before the hub.

    Raises UnknownPlug, WeightsMissing, DeviceUnavailable, ModelError.
    """
    module = _module("detector", name)
    place = _place(weights, "detector", models_dir)
    return cast(Detector, module.build(place, device=device, precision=precision, input_size=input_size))


def load_embedder(name: str, weights: str, *, device: str = "auto", precision: str = "auto", models_dir: Path | None = None) -> Embedder:
    """Ready to embed; otherwise as load_detector."""
    module = _module("embedder", name)
    return cast(Embedder, module.build(_place(weights, "embedder", models_dir), device=device, precision=precision))


def head(name: str) -> ModuleType:
    """The head's module, with `build() -> Head` and `restore(...) -> Head` (vision/protocols.py). Raises UnknownPlug."""
    return _module("head", name)


def _place(weights: str, kind: str, models_dir: Path | None) -> str:
    return weights if weights == NANO else str(find(weights, kind, models_dir=models_dir))


def _module(kind: str, name: str) -> ModuleType:
    if name not in names(kind):
        raise UnknownPlug(f"There is no {kind} {name!r}; there are: {', '.join(names(kind)) or 'none'}.")
    try:
        return import_module(f"vision.{kind}s.{name}")
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            f"The {kind} {name} cannot be imported: {error}",
            hint="If this names torchvision or timm: uninstall them, they do not fit the torch that is here. Else `python run.py setup`.",
        ) from error
