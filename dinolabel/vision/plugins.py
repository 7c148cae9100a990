"""Detectors, embedders and heads by name: the file name is the name.

A plug's file is imported, and with it torch, only when that plug is to be loaded; how its weights are found is read off the file before.
"""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import cast, get_args

from dinolabel.vision import detectors, embedders, heads
from dinolabel.vision.errors import ModelError, UnknownPlug
from dinolabel.vision.loading import weights as weights_files
from dinolabel.vision.loading.weights import Needs, WeightsLocation, obtain
from dinolabel.vision.protocols import Detector, Embedder

PACKAGES: dict[str, ModuleType] = {"detector": detectors, "embedder": embedders, "head": heads}
KINDS = tuple(PACKAGES)


def names(kind: str) -> tuple[str, ...]:
    """What there is of `detector`, `embedder` or `head`, sorted. Raises UnknownPlug for any other kind."""
    if kind not in KINDS:
        raise UnknownPlug(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.")
    return tuple(sorted(each.name for each in pkgutil.iter_modules(PACKAGES[kind].__path__) if not each.name.startswith("_")))


def source(kind: str, name: str) -> str:
    """Text of a plug's file, which is not imported. Raises UnknownPlug."""
    _check(kind, name)
    spec = find_spec(f"{PACKAGES[kind].__name__}.{name}")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def needs(kind: str, name: str) -> Needs:
    """How the weights of a plug are found: what its file says in a line `WEIGHTS = "folder"`, "file" or "none"; "folder" without one.

    The line is read and not run: plans and `doctor` ask, and importing a plug would take seconds. Raises UnknownPlug, ModelError.
    """
    for node in ast.parse(source(kind, name)).body:
        match node:
            case ast.Assign([ast.Name("WEIGHTS")], value) | ast.AnnAssign(ast.Name("WEIGHTS"), _, value):
                said = value.value if isinstance(value, ast.Constant) else None
                if said not in get_args(Needs):
                    hint = f"Write one of {', '.join(map(repr, get_args(Needs)))}."
                    raise ModelError(f"The {kind} {name} does not say how its weights are found: WEIGHTS is none of ours.", hint=hint)
                return cast(Needs, said)
    return "folder"


def locate(kind: str, name: str, weights: str, *, models_dir: Path | None = None) -> WeightsLocation:
    """Where the weights of a plug are, without loading or downloading any. Raises UnknownPlug, ModelError."""
    needed = needs(kind, name)
    if needed == "none":
        return WeightsLocation(kind, name, "none", None, needed)
    return weights_files.locate(weights, kind, models_dir=models_dir, needs=needed)


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
    place = _place("detector", name, weights, models_dir)
    return cast(Detector, _module("detector", name).build(place, device=device, precision=precision, input_size=input_size))


def load_embedder(name: str, weights: str, *, device: str = "auto", precision: str = "auto", models_dir: Path | None = None) -> Embedder:
    """Ready to embed; otherwise as load_detector."""
    place = _place("embedder", name, weights, models_dir)
    return cast(Embedder, _module("embedder", name).build(place, device=device, precision=precision))


def head(name: str) -> ModuleType:
    """The head's module, with `build() -> Head` and `restore(...) -> Head` (dinolabel/vision/protocols.py). Raises UnknownPlug."""
    return _module("head", name)


def _place(kind: str, name: str, weights: str, models_dir: Path | None) -> str:
    """What `build` is given: the path of the weights, or the setting as it stands for a plug that needs none."""
    location = obtain(locate(kind, name, weights, models_dir=models_dir))
    return weights if location.path is None else str(location.path)


def _check(kind: str, name: str) -> None:
    if name not in names(kind):
        raise UnknownPlug(f"There is no {kind} {name!r}; there are: {', '.join(names(kind)) or 'none'}.")


def _module(kind: str, name: str) -> ModuleType:
    _check(kind, name)
    try:
        return import_module(f"{PACKAGES[kind].__name__}.{name}")
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            f"The {kind} {name} cannot be imported: {error}",
            hint="If this names torchvision or timm: uninstall them, they do not fit the torch that is here. Else `python run.py setup`.",
        ) from error
