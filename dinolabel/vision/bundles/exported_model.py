"""A self-contained folder of detector, embedder, head and prompt: what leaves Label Studio and answers the same anywhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.errors import ModelError
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.feature_slice import slice_for
from dinolabel.vision.loading.weights import CARD, files_of
from dinolabel.vision.plugins import LoadOptions
from dinolabel.vision.protocols import Detector, Embedder
from dinolabel.vision.storage.atomic_folders import atomic_folder
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Thresholds

FORMAT = 1
LEFT_OUT = shutil.ignore_patterns(".cache", "*.bin", "*.pt", "*.pth", "*.onnx", "*.h5", "*.msgpack")


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """What answers, besides the models. labels: phrase -> generic label, in the prompt's order. names: what the head says -> label.

    A name that is not in `names` is not given: its box keeps the generic label. version: the model_version that Label Studio shows.
    detector, embedder: the files of dinolabel/vision/ that read the folders. input_size: shorter side the detector sees; None: as its
    weights say.
    colours: label -> #rrggbb, as its project showed them. weights: `detector` or `embedder` -> the one file in its folder where weights
    are a file, or the setting of a plug that needs none.
    """

    labels: Mapping[str, str]
    thresholds: Thresholds
    names: Mapping[str, str] = field(default_factory=dict)
    detector: str = "grounding_dino"
    embedder: str = "dinov2"
    input_size: int | None = None
    version: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        card = {
            "format": FORMAT, "model_version": self.version, "labels": dict(self.labels), "names": dict(self.names),
            "thresholds": asdict(self.thresholds), "detector": self.detector, "embedder": self.embedder, "input_size": self.input_size,
            "about": dict(self.about), "weights": dict(self.weights), "colours": dict(self.colours),
        }  # fmt: skip
        return json.dumps(card, indent=1, ensure_ascii=False) + "\n"


def is_exported_model(folder: Path) -> bool:
    return (folder / CARD).is_file()


def save(out: Path, package: ExportedModel, *, detector: Path | None, embedder: Path | None, bundle: Bundle | None, readme: str) -> Path:
    """Writes `out` (it must not exist): detector/, embedder/, bundle/, dinolabel.json, README.md. Half done is never seen.

    detector, embedder: their weights, a folder or a file; None where there are none.
    Raises ModelError when out is there, or cannot be written.
    """
    try:
        with atomic_folder(out) as half:
            parts = {"detector": detector, "embedder": None if bundle and bundle.own else embedder}  # its own lies in bundle/
            reads = {kind: plugins.needs(kind, getattr(package, kind)) for kind in parts}
            files = {kind: path.name for kind, path in parts.items() if path is not None and path.is_file()}
            package = replace(package, weights={**package.weights, **files})
            for kind, path in parts.items():
                _copy_weights(path, half / kind, only=dlib_models.FILES[kind] if reads[kind] == "package" else ())
            if bundle is not None:
                bundle.save(half / "bundle")
            (half / CARD).write_text(package.to_json(), encoding="utf-8")
            (half / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror}.", hint="Look at the disk's room and rights.") from error
    return out


def _copy_weights(path: Path | None, folder: Path, only: Sequence[str]) -> None:
    """only: of a folder that holds others' files, too."""
    if path is None:
        return
    if path.is_dir() and not only:
        shutil.copytree(path, folder, ignore=LEFT_OUT)
        return
    folder.mkdir()
    for each in [path / name for name in only] or files_of(path):
        shutil.copyfile(each, folder / each.name)


def read(folder: Path) -> tuple[ExportedModel, Bundle | None]:
    """Raises ModelError for a card that is damaged or of a later version; what Bundle.load raises."""
    try:
        card = parse_json((folder / CARD).read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ModelError(f"{folder.name} has format {card['format']}; this dinolabel reads {FORMAT}.", hint="Use a newer dinolabel.")
        package = ExportedModel(
            card["labels"], Thresholds(**card["thresholds"]), card["names"], card["detector"], card["embedder"], card["input_size"],
            card["model_version"], card["about"], card.get("weights", {}), card.get("colours", {}),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{CARD} in {folder.name} is damaged: {error}", hint="Export the model again.") from error
    return package, Bundle.load(folder / "bundle") if (folder / "bundle").is_dir() else None


def load_models(folder: Path, **options: Unpack[LoadOptions]) -> tuple[ExportedModel, Bundle | None, Detector, Embedder | None]:
    """The package in a folder, its head, and the models that both are for.

    Raises ModelError, WeightsMissing, DeviceUnavailable; BundleMismatch when the parts are not of one training.
    """
    package, bundle = read(folder)
    seen: LoadOptions = {**options, "input_size": package.input_size}
    detector = plugins.load_detector(package.detector, _weights(folder, package, "detector"), **seen)
    embedder = None
    if bundle is not None and bundle.own is None:
        where: dict[str, Any] = {key: each for key, each in options.items() if key in ("device", "precision")}
        embedder = plugins.load_embedder(package.embedder, _weights(folder, package, "embedder"), **where)
        bundle.check(slice_for(embedder, bundle.embedder_digest).digest, bundle.policy)
    return package, bundle, detector, embedder


def _weights(folder: Path, package: ExportedModel, kind: str) -> str:
    """As the setting would name them."""
    said = package.weights.get(kind, "")
    return str(folder / kind / said) if (folder / kind).is_dir() else said
