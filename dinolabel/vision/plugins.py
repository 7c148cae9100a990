"""Detectors, embedders and heads by name: of dinolabel/vision/plugin_loader.py's plug-ins those that hold a model.

A plug's file is imported, and with it torch, only when that plug is to be loaded; how its weights are found is read off the file before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TypedDict, Unpack, cast, get_args

from dinolabel.vision import detectors, embedders, heads
from dinolabel.vision.errors import ModelError, RequestError, UnknownPlug
from dinolabel.vision.loading import weights as weights_files
from dinolabel.vision.loading.dlib_models import FACES
from dinolabel.vision.loading.weights import Needs, WeightsLocation, obtain
from dinolabel.vision.plugin_loader import PluginKind
from dinolabel.vision.protocols import Detector, Embedder
from dinolabel.vision.types import CropPolicy

PLUGINS: dict[str, PluginKind] = {each.word: each for each in (detectors.PLUGINS, embedders.PLUGINS, heads.PLUGINS)}
KINDS = tuple(PLUGINS)
BY_THEMSELVES = ("none", "package")  # plugs of these need no setting to find their weights
MOST_MARGIN = 4.0  # in sides of the box


def names(kind: str) -> list[str]:
    """What there is of `detector`, `embedder` or `head`, sorted. Raises UnknownPlug for any other kind."""
    return _kind(kind).names()


def source(kind: str, name: str) -> str:
    """Text of a plug's files, which are not imported, after the package and version that brings it. Raises UnknownPlug, ModelError."""
    texts = (path.read_text(encoding="utf-8") for path in _kind(kind).files(name))
    return "\n".join((_kind(kind).plugin(name).package, *texts))


def name_for(name: str, weights: str) -> str:
    """The plug that reads these weights: `faces` are read by detector and embedder of that name, whatever the settings name."""
    return FACES if weights == FACES else name


def needs(kind: str, name: str) -> Needs:
    """How the weights of a plug are found: what its file says in a line `WEIGHTS = "folder"`, "file", "none" or "package"; "folder"
    without one.

    The line is read and not run: plans and `doctor` ask, and importing a plug would take seconds. Raises UnknownPlug, ModelError.
    """
    said = _constant(kind, name, "WEIGHTS", "folder")
    if said not in get_args(Needs):
        hint = f"Write one of {', '.join(map(repr, get_args(Needs)))}."
        raise ModelError(f"The {kind} {name} does not say how its weights are found: WEIGHTS is none of ours.", hint=hint)
    return cast(Needs, said)


def crop_policy(embedder: str, weights: str = "") -> CropPolicy:
    """How boxes are cut for an embedder: the usual way, with the margin that its file says in a line `MARGIN = 0.8`, read as `WEIGHTS` is.

    Raises UnknownPlug, ModelError.
    """
    name = name_for(embedder, weights)
    said = _constant("embedder", name, "MARGIN", CropPolicy().margin)
    if not isinstance(said, int | float) or not 0 <= said <= MOST_MARGIN:
        raise ModelError(f"The embedder {name} wants a margin of {said!r}.", hint=f"Write a number from 0 to {MOST_MARGIN:g}.")
    return CropPolicy(margin=float(said))


def check_choice(embedder: str) -> None:
    """Raises UnknownPlug; RequestError for an embedder that reads weights of the settings, which no project can choose for itself."""
    if needs("embedder", embedder) not in BY_THEMSELVES:
        able = ", ".join(each for each in names("embedder") if needs("embedder", each) in BY_THEMSELVES)
        told = f"A project cannot choose the embedder {embedder!r} for itself: which weights it reads is said in the settings."
        raise RequestError(told, hint=f"It can choose: {able}. Or set DINOLABEL_EMBEDDER and DINOLABEL_EMBEDDER_WEIGHTS for all projects.")


def locate(kind: str, name: str, weights: str, *, models_dir: Path | None = None) -> WeightsLocation:
    """Where the weights of a plug are, without loading or downloading any. Raises UnknownPlug, ModelError."""
    name = name_for(name, weights)
    needed = needs(kind, name)
    if needed == "none":
        return WeightsLocation(kind, name, "none", None, needed)
    return weights_files.locate(weights, kind, models_dir=models_dir, needs=needed)


class LoadOptions(TypedDict, total=False):
    """How models are loaded. device, precision, engine: "auto" where they are left out.

    input_size: shorter side that a detector sees; None: as its weights say. models_dir: looked into for hub ids before the hub. engine,
    engine_notes: for a detector that has several engines (dinolabel/vision/protocols.py); others have one.
    """

    device: str
    precision: str
    input_size: int | None
    models_dir: Path | None
    engine: str
    engine_notes: Path | None


def load_detector(name: str, weights: str, **options: Unpack[LoadOptions]) -> Detector:
    """Ready to detect. Raises UnknownPlug, WeightsMissing, DeviceUnavailable, ModelError, SettingsError."""
    name = name_for(name, weights)
    place = _place("detector", name, weights, options.pop("models_dir", None))
    build = detectors.PLUGINS.load(name).build
    takes = signature(build).parameters
    given = {"device": "auto", "precision": "auto", "input_size": None, "engine": "auto", "engine_notes": None} | options
    return cast(Detector, build(place, **{key: each for key, each in given.items() if not key.startswith("engine") or key in takes}))


def load_embedder(name: str, weights: str, *, device: str = "auto", precision: str = "auto", models_dir: Path | None = None) -> Embedder:
    """Ready to embed; otherwise as load_detector."""
    name = name_for(name, weights)
    place = _place("embedder", name, weights, models_dir)
    return cast(Embedder, embedders.PLUGINS.load(name).build(place, device=device, precision=precision))


def head(name: str) -> ModuleType:
    """The head's module, with `build() -> Head` and `restore(...) -> Head` (dinolabel/vision/protocols.py).

    Raises UnknownPlug, ModelError.
    """
    return heads.PLUGINS.load(name)


def all_heads() -> Iterator[tuple[str, ModuleType]]:
    """Every head's name and module; one of a package that cannot be imported is left out with a warning."""
    return heads.PLUGINS.load_all()


def _place(kind: str, name: str, weights: str, models_dir: Path | None) -> str:
    """What `build` is given: the path of the weights, or the setting as it stands for a plug that needs none."""
    location = obtain(locate(kind, name, weights, models_dir=models_dir))
    return weights if location.path is None else str(location.path)


def _kind(kind: str) -> PluginKind:
    if kind not in PLUGINS:
        raise UnknownPlug(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.")
    return PLUGINS[kind]


def _constant(kind: str, name: str, variable: str, usual: object) -> object:
    """What a plug's file says in a line `VARIABLE = constant`; None for an expression, the usual without such a line."""
    for node in _parsed(kind, name).body:
        match node:
            case ast.Assign([ast.Name(found)], value) | ast.AnnAssign(ast.Name(found), _, value) if found == variable:
                return value.value if isinstance(value, ast.Constant) else None
    return usual


def _parsed(kind: str, name: str) -> ast.Module:
    path = _kind(kind).files(name)[0]
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ModelError(f"The {kind} {name} is no Python: {error}", hint=f"Mend {path.name}.") from error
