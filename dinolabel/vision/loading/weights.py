"""From the name of weights to a complete folder or file on this machine, and what that is called."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, Literal

import structlog

from dinolabel.vision.errors import ModelError, WeightsMissing
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.hub import WAIT, tell_reason, ways_out
from dinolabel.vision.storage.json_text import parse_json

log = structlog.get_logger(__name__)

NANO = "nano"
DRAWN_ONLY = "knows drawn things only, not photos"
NANO_FOLDER = Path(__file__).resolve().parents[2] / "nano"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ["*.json", "*.txt", "model*.safetensors"]
TOKENIZER = "google-bert/bert-base-uncased"  # GroundingDINO's; its own files do not bring it along
CARD = "dinolabel.json"  # in a folder that `dinolabel models export` made
NAME_FILE = "called.json"  # in a folder whose own name says nothing: {"weights": "nano, 2 blocks tuned"}
HUB_WAIT = WAIT
Needs = Literal["folder", "file", "none", "package"]
Where = Literal["embedded", "folder", "file", "cache", "hub", "nowhere", "none", "package"]


@dataclass(frozen=True, slots=True)
class WeightsLocation:
    """Where the weights of a model are on this machine.

    kind: `detector` or `embedder`. name: as the settings say; of a plug without weights, the plug. needs: what the plug reads.
    path: the folder or the file; None when they are not here. where: `embedded` (nano), `folder` or `file` (by its path or in models_dir),
    `cache` (the hub's), `hub` (can be downloaded), `nowhere`, `none` (none are needed), or `package` (of the package registry).
    """

    kind: str
    name: str
    where: Where
    path: Path | None = None
    needs: Needs = "folder"

    @property
    def here(self) -> bool:
        return self.path is not None or self.where == "none"

    @property
    def size(self) -> int | None:
        """Bytes of the weights alone; None when they are not here."""
        if self.path is None:
            return None
        if self.needs == "package":
            files = [each for name in dlib_models.FILES[self.kind] if (each := self.path / name).is_file()]
        else:
            files = [self.path] if self.path.is_file() else list(self.path.rglob("*.safetensors"))
        return sum(each.stat().st_size for each in files) or None


def files_of(path: Path) -> list[Path]:
    """Everything a plug may read of weights: the files of their folder, or the file and those of its name beside it (`faces.json`)."""
    beside = path.parent.glob(f"{escape(path.stem)}.*") if path.is_file() else path.iterdir()
    return sorted(each for each in beside if each.is_file())


def locate(weights: str, kind: str, *, models_dir: Path | None = None, needs: Needs = "folder") -> WeightsLocation:
    """Where these weights are: the one search order of detectors and embedders. Downloads nothing and opens no model.

    `nano` is the embedded pair; else a path, a folder or file of models_dir (`org/name` may lie there under `org/name`, `org--name` or
    `name`), and for a folder the hub's cache and the hub. kind: `detector` or `embedder`, which of the nano pair is meant.
    """
    if needs == "package":
        return WeightsLocation(kind, dlib_models.FACES, "package", dlib_models.find_folder(weights), needs)
    if weights == NANO:
        folder = NANO_FOLDER / kind
        return WeightsLocation(kind, weights, "embedded", folder if folder.is_dir() else None, needs)
    for path in _paths(weights, models_dir):
        if path.is_dir() or path.is_file():
            return WeightsLocation(kind, weights, "file" if path.is_file() else "folder", path.resolve(), needs)
    if needs == "file" or not _is_hub_id(weights):
        return WeightsLocation(kind, weights, "nowhere", None, needs)
    cached = _cached(weights)
    return WeightsLocation(kind, weights, "cache" if cached else "hub", cached, needs)


def obtain(location: WeightsLocation) -> WeightsLocation:
    """The same, on this machine and complete: downloaded where it must be. Nothing is ever put in place of what was asked for.

    Raises WeightsMissing.
    """
    if location.where == "hub":
        return replace(location, where="cache", path=_complete(_downloaded(location.name)))
    if location.needs == "file":
        _check_file(location)
    elif location.needs == "folder":
        _check_folder(location)
    elif location.needs == "package":
        dlib_models.find_files(location.kind, str(location.path or location.name))
    return location


def _check_file(location: WeightsLocation) -> None:
    """Whether the file can be read is the plug's business."""
    hint = f"Name its path in DINOLABEL_{location.kind.upper()}_WEIGHTS."
    if location.path is None:
        raise WeightsMissing(f"There is no file {location.name}; the weights of this {location.kind} are one file.", hint=hint)
    if location.path.is_dir():
        raise WeightsMissing(f"{location.name} is a folder; the weights of this {location.kind} are one file.", hint=hint)


def _check_folder(location: WeightsLocation) -> None:
    path = NANO_FOLDER / location.kind if location.where == "embedded" else location.path
    if path is None:
        raise WeightsMissing(f"There is no folder {location.name}, and it is no hub id either (those read `organisation/name`).")
    refuse_exported(path)
    if path.is_file():
        original = path.suffix.lower() in (".pth", ".pt")
        convert = f"Convert a .pth file of GroundingDINO's once: dinolabel weights convert {path.name} FOLDER; then give the folder."
        another = f"DINOLABEL_{location.kind.upper()} names what reads a kind of weights; docs/production.md lists them."
        raise WeightsMissing(
            f"{path.name} is a file; the weights of this {location.kind} are a folder.", hint=convert if original else another
        )
    _complete(path)


def refuse_exported(folder: Path) -> None:
    """Raises WeightsMissing for a folder of `dinolabel models export`: it holds a model and its words, not the weights of one plug."""
    if (folder / CARD).is_file():
        hint = f"Give it whole: --model {folder} of `dinolabel detect`, `app` and `serve`; in Python Pipeline.load({str(folder)!r})."
        raise WeightsMissing(f"{folder} is an exported model, with its own words, thresholds and head.", hint=hint)


def _paths(weights: str, models_dir: Path | None) -> Iterator[Path]:
    yield Path(weights).expanduser()
    if models_dir is not None and (_is_hub_id(weights) or "/" not in weights):
        yield from (models_dir / each for each in (weights, weights.replace("/", "--"), weights.rsplit("/", 1)[-1]) if each)


def _is_hub_id(weights: str) -> bool:
    return HUB_ID.fullmatch(weights) is not None and not weights.startswith(".")


def describe(folder: Path) -> str:
    """What to call the weights of a folder that `find` gave: `nano`, `org/name`, what a fine-tuned one calls itself, or the folder's own
    name. Never a path."""
    if folder.parent == NANO_FOLDER:
        return NANO
    if called := read_json(folder / NAME_FILE).get("weights"):
        return str(called)
    cached = folder.parent.parent.name if folder.parent.name == "snapshots" else folder.name
    return cached.removeprefix("models--").replace("--", "/", 1)


def tell_limits(weights: str) -> str | None:
    """What these weights cannot do and a person should know, for behind their name; None where there is nothing to say.

    weights: what a detector or an embedder calls its weights.
    """
    return DRAWN_ONLY if weights.partition(",")[0] == NANO else None


def short(described_as: str) -> str:
    """`IDEA-Research/grounding-dino-tiny` as `grounding-dino-tiny`: lower case, [a-z0-9-] only, at most 40 characters."""
    plain = re.sub(r"[^a-z0-9]+", "-", described_as.rsplit("/", 1)[-1].lower())
    return plain[:40].strip("-") or "weights"


def config(folder: Path, *, allowed: Iterable[str]) -> dict[str, Any]:
    """The folder's config.json. Raises WeightsMissing when its model_type is none of the allowed ones."""
    found = read_json(folder / "config.json")
    if found.get("model_type") not in set(allowed):
        kind = found.get("model_type")
        hint = "DINOLABEL_DETECTOR and DINOLABEL_EMBEDDER name the file that reads a kind of weights; docs/production.md lists them."
        raise WeightsMissing(f"{describe(folder)} holds {kind!r} weights; needed is one of: {', '.join(sorted(allowed))}.", hint=hint)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Empty when there is no such file. Raises ModelError when it is damaged."""
    if not path.is_file():
        return {}
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} of {describe(path.parent)} is no JSON.", hint="Copy or download the weights again.") from error
    return dict(content)


def digest(folder: Path, *decides: object) -> str:
    """Hex digest of the weight files' content and of everything else that decides the answer, given as plain values."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        stat = path.stat()
        whole.update(_content(path, stat.st_size, stat.st_mtime_ns).encode())
    whole.update(json.dumps(decides, sort_keys=True, default=str).encode())
    return whole.hexdigest()


@cache
def _content(path: Path, size: int, changed: int) -> str:
    """sha256 of a file, read once as long as its size and time of change stay. About a second for 700 MB."""
    log.debug("weights_hashed", file=path.name, megabytes=size >> 20)
    return sha256_of_file(path)


def _complete(folder: Path) -> Path:
    lacks = [
        name for name, pattern in (("config.json", "config.json"), ("model.safetensors", "*.safetensors")) if not any(folder.glob(pattern))
    ]
    if lacks:
        hint = "They come with the repository, in dinolabel/nano: clone it whole." if folder.parent == NANO_FOLDER else None
        raise WeightsMissing(f"The weights {describe(folder)} are not here: their folder has no {' and no '.join(lacks)}.", hint=hint)
    return folder


def _cached(name: str) -> Path | None:
    """A complete snapshot in the hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return _complete(Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=True)))
    except (OSError, WeightsMissing, HFValidationError):
        return None


def _downloaded(name: str) -> Path:
    """A snapshot from the hub. Honours HF_HUB_OFFLINE, HF_HOME."""
    import httpx2
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    log.info("weights_not_cached", weights=name, offline=constants.HF_HUB_OFFLINE)
    try:
        _reachable(name)
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, etag_timeout=HUB_WAIT))
    except HFValidationError as error:
        raise WeightsMissing(f"{name!r} is no hub id: {error}") from error
    except (OSError, httpx2.HTTPError) as error:
        said = f"The weights {name} are not on this machine and cannot be had from the hub: {tell_reason(error)}"
        raise WeightsMissing(said, hint=ways_out(name)) from error


def _reachable(name: str) -> None:
    """Ask for the description first: its time-out is ours, while downloads retry for minutes."""
    from huggingface_hub import HfApi

    HfApi().model_info(name, timeout=HUB_WAIT)
