"""A self-contained folder of detector, embedder, head and prompt: what leaves Label Studio and answers the same anywhere else.

Knows folders, JSON and the plugs that read the models. Knows nothing of Label Studio.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vision import plugs
from vision.bundle import Bundle
from vision.errors import ModelError
from vision.folders import made_whole
from vision.narrowed import narrowed
from vision.types import CropPolicy, Thresholds

FORMAT = 1
CARD = "dinolabel.json"
LEFT_OUT = shutil.ignore_patterns(".cache", "*.bin", "*.pt", "*.pth", "*.onnx", "*.h5", "*.msgpack")


@dataclass(frozen=True, slots=True)
class Package:
    """What answers, besides the models. labels: phrase -> generic label, in the prompt's order. names: what the head says -> label.

    A name that is not in `names` is not given: its box keeps the generic label. version: the model_version that Label Studio shows.
    detector, embedder: the files of vision/ that read the folders. input_size: shorter side the detector sees; None: as its weights say.
    """

    labels: Mapping[str, str]
    thresholds: Thresholds
    names: Mapping[str, str] = field(default_factory=dict)
    detector: str = "grounding_dino"
    embedder: str = "dinov2"
    input_size: int | None = None
    version: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    def written(self) -> str:
        card = {
            "format": FORMAT, "model_version": self.version, "labels": dict(self.labels), "names": dict(self.names),
            "thresholds": asdict(self.thresholds), "detector": self.detector, "embedder": self.embedder, "input_size": self.input_size,
            "about": dict(self.about),
        }  # fmt: skip
        return json.dumps(card, indent=1, ensure_ascii=False) + "\n"


def is_package(folder: Path) -> bool:
    return (folder / CARD).is_file()


def save(out: Path, package: Package, *, detector: Path, embedder: Path | None, bundle: Bundle | None, readme: str) -> Path:
    """Writes `out` (it must not exist): detector/, embedder/, bundle/, dinolabel.json, README.md. Half done is never seen.

    Raises ModelError when out is there, or cannot be written.
    """
    try:
        with made_whole(out) as half:
            shutil.copytree(detector, half / "detector", ignore=LEFT_OUT)
            if embedder is not None and not (bundle and bundle.own):  # its own lies in bundle/
                shutil.copytree(embedder, half / "embedder", ignore=LEFT_OUT)
            if bundle is not None:
                bundle.save(half / "bundle")
            (half / CARD).write_text(package.written(), encoding="utf-8")
            (half / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror}.", hint="Look at the disk's room and rights.") from error
    return out


def read(folder: Path) -> tuple[Package, Bundle | None]:
    """Raises ModelError for a card that is damaged or of a later version; what Bundle.load raises."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ModelError(f"{folder.name} has format {card['format']}; this dinolabel reads {FORMAT}.", hint="Use a newer dinolabel.")
        package = Package(
            card["labels"], Thresholds(**card["thresholds"]), card["names"], card["detector"], card["embedder"], card["input_size"],
            card["model_version"], card["about"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{CARD} in {folder.name} is damaged: {error}", hint="Export the model again.") from error
    return package, Bundle.load(folder / "bundle") if (folder / "bundle").is_dir() else None


def unpacked(folder: Path, *, device: str, precision: str) -> dict[str, Any]:
    """What a Pipeline is made of, from a package's folder: detector, embedder, thresholds, policy, package, bundle.

    Raises ModelError, WeightsMissing, DeviceUnavailable; BundleMismatch when the parts are not of one training.
    """
    package, bundle = read(folder)
    where: dict[str, Any] = {"device": device, "precision": precision}
    detector = plugs.load_detector(package.detector, str(folder / "detector"), input_size=package.input_size, **where)
    embedder = None
    if bundle is not None and bundle.own is None:
        embedder = plugs.load_embedder(package.embedder, str(folder / "embedder"), **where)
        bundle.check(narrowed(embedder, bundle.embedder_digest).digest, bundle.policy)
    policy = bundle.policy if bundle else CropPolicy()
    parts = {"detector": detector, "embedder": embedder, "thresholds": package.thresholds, "policy": policy}
    return {**parts, "package": package, "bundle": bundle}
