"""From the name of weights to a complete folder on this machine, and what that folder is called.

Knows the hub and file layouts; knows neither torch nor any model class.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from vision.errors import ModelError, WeightsMissing, first_line

log = structlog.get_logger(__name__)

NANO = "nano"
NANO_FOLDER = Path(__file__).resolve().parents[1] / "models" / "nano"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ["*.json", "*.txt", "model*.safetensors"]
TOKENIZER = "google-bert/bert-base-uncased"  # GroundingDINO's; its own files do not bring it along
CALLED = "called.json"  # in a folder whose own name says nothing: {"weights": "nano, 2 blocks tuned"}
HUB_WAIT = 5.0  # seconds until the hub counts as out of reach
BLOCK = 1 << 22


def find(weights: str, kind: str, *, models_dir: Path | None = None) -> Path:
    """The folder of these weights: `nano`, a local folder (or file), or a hub id looked for in models_dir, the hub's cache and the hub.

    kind: `detector` or `embedder`, which of the nano pair is meant. In models_dir, `org/name` may lie under `org/name`,
    `org--name` or `name`. Nothing is ever put in place of what was asked for. Raises WeightsMissing.
    """
    if weights == NANO:
        return _complete(NANO_FOLDER / kind)
    local = Path(weights).expanduser()
    if local.is_dir():
        return _complete(local.resolve())
    if local.is_file():
        if local.suffix.lower() in (".pth", ".pt"):
            hint = f"Convert a .pth file of GroundingDINO's once: dinolabel models convert {local.name} FOLDER; then give the folder."
            raise WeightsMissing(f"{weights} is a file; weights are a folder.", hint=hint)
        return local.resolve()  # a model in one file: whether it can be read is the plug's business
    if not HUB_ID.fullmatch(weights) or weights.startswith("."):
        raise WeightsMissing(f"There is no folder {weights}, and it is no hub id either (those read `organisation/name`).")
    for name in (weights, weights.replace("/", "--"), weights.split("/")[1]):
        if models_dir is not None and (models_dir / name).is_dir():
            return _complete((models_dir / name).resolve())
    return _complete(_from_hub(weights))


def described(folder: Path) -> str:
    """What to call the weights of a folder that `find` gave: `nano`, `org/name`, what a fine-tuned one calls itself, or the folder's own
    name. Never a path."""
    if folder.parent == NANO_FOLDER:
        return NANO
    if called := read_json(folder / CALLED).get("weights"):
        return str(called)
    cached = folder.parent.parent.name if folder.parent.name == "snapshots" else folder.name
    return cached.removeprefix("models--").replace("--", "/", 1)


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
        raise WeightsMissing(f"{described(folder)} holds {kind!r} weights; needed is one of: {', '.join(sorted(allowed))}.", hint=hint)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Empty when there is no such file. Raises ModelError when it is damaged."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} of {described(path.parent)} is no JSON.", hint="Copy or download the weights again.") from error
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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(folder: Path) -> Path:
    lacks = [
        name for name, pattern in (("config.json", "config.json"), ("model.safetensors", "*.safetensors")) if not any(folder.glob(pattern))
    ]
    if lacks:
        hint = "They come with the repository, in models/nano: clone it whole." if folder.parent == NANO_FOLDER else None
        raise WeightsMissing(f"The weights {described(folder)} are not here: their folder has no {' and no '.join(lacks)}.", hint=hint)
    return folder


def _from_hub(name: str) -> Path:
    """A snapshot from the hub's cache, downloaded first when it is not complete there. Honours HF_HUB_OFFLINE, HF_HOME."""
    import httpx2
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        cached = Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=True))
        return _complete(cached)
    except (OSError, WeightsMissing):
        log.info("weights_not_cached", weights=name, offline=constants.HF_HUB_OFFLINE)
    except HFValidationError as error:
        raise WeightsMissing(f"{name!r} is no hub id: {error}") from error
    try:
        _reachable(name)
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, etag_timeout=HUB_WAIT))
    except (OSError, httpx2.HTTPError) as error:
        first = first_line(error)
        raise WeightsMissing(f"The weights {name} are not on this machine and cannot be had from the hub: {first}") from error


def _reachable(name: str) -> None:
    """Ask for the description first: its time-out is ours, while downloads retry for minutes."""
    from huggingface_hub import HfApi

    HfApi().model_info(name, timeout=HUB_WAIT)
