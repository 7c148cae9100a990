"""Where the weights in the settings are, how large, and what will be downloaded: for plans and `doctor`, without loading any.

Knows names, folders and the hub's cache folder; never opens a model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dinolabel import console, words
from dinolabel.settings import Settings
from vision.weights import NANO, NANO_FOLDER

HUB = "hub"
Where = Literal["embedded", "folder", "cache", "hub"]
# model.safetensors as the hub lists it; other weights are measured when they are here
KNOWN_SIZES = {
    "IDEA-Research/grounding-dino-tiny": 689_359_096,
    "IDEA-Research/grounding-dino-base": 933_464_344,
    "facebook/dinov2-small": 88_249_960,
}


@dataclass(frozen=True, slots=True)
class Weights:
    """kind: detector or embedder. name: as the settings say. path: the folder they are in, None when they are not here. size: bytes."""

    kind: str
    name: str
    where: Where
    path: Path | None
    size: int | None

    @property
    def here(self) -> bool:
        return self.path is not None

    def __str__(self) -> str:
        amount = f", {words.size(self.size)}" if self.size else ""
        place = {"embedded": "embedded, for trying out", "folder": f"in {self.path}", "cache": "downloaded before"}.get(
            self.where, "not here yet"
        )
        return f"{self.name} ({place}{amount})"


def flags(weights: str | None) -> dict[str, str]:
    """The settings that --weights stands for: `nano` and `hub` are pairs, anything else names the detector."""
    if weights is None:
        return {}
    if weights == HUB:
        return {name: str(Settings.model_fields[name].default) for name in ("detector_weights", "embedder_weights")}
    return {"detector_weights": weights, "embedder_weights": weights} if weights == NANO else {"detector_weights": weights}


def pair(settings: Settings) -> tuple[str, str]:
    return settings.detector_weights, settings.embedder_weights


def find(settings: Settings) -> tuple[Weights, Weights]:
    """Detector's and embedder's."""
    return _find("detector", settings.detector_weights, settings.models_dir), _find(
        "embedder", settings.embedder_weights, settings.models_dir
    )


def _find(kind: str, name: str, models_dir: Path | None) -> Weights:
    if name == NANO:
        folder = NANO_FOLDER / kind
        return Weights(kind, name, "embedded", folder if folder.is_dir() else None, _size(folder))
    for folder in _folders(name, models_dir):
        if folder.is_dir():
            return Weights(kind, name, "folder", folder, _size(folder))
    for snapshot in sorted(_hub_cache().joinpath(f"models--{name.replace('/', '--')}", "snapshots").glob("*")):
        if any(snapshot.glob("*.safetensors")):
            return Weights(kind, name, "cache", snapshot, _size(snapshot))
    return Weights(kind, name, "hub", None, KNOWN_SIZES.get(name))


def _folders(name: str, models_dir: Path | None) -> Iterator[Path]:
    yield Path(name).expanduser()
    if models_dir is not None:
        yield from (models_dir / each for each in (name, name.replace("/", "--"), name.rsplit("/", 1)[-1]))


def _hub_cache() -> Path:
    """Where huggingface_hub keeps downloads; its own order of environment variables."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _size(folder: Path) -> int | None:
    files = list(folder.rglob("*.safetensors")) if folder.is_dir() else []
    return sum(os.stat(each).st_size for each in files) or None


def fetch(settings: Settings) -> None:
    """Have the weights on this machine: downloads what is not. Raises WeightsMissing when the hub is out of reach."""
    from vision.weights import find as have

    for each in find(settings):
        if not each.here:
            with console.step(f"Downloading {each.name}") as came_out:
                have(each.name, each.kind, models_dir=settings.models_dir)
                came_out(f"Downloaded {each.name}")


def plan_lines(settings: Settings, *, names: bool = True) -> list[tuple[str, str]]:
    """What a plan says about weights: which, and what must be downloaded. names: without, the embedder is not needed."""
    found = find(settings)[: 2 if names else 1]
    lines = [(each.kind, str(each)) for each in found]
    missing = [each for each in found if not each.here]
    if missing and all(each.where == "hub" for each in missing):
        total = sum(each.size or 0 for each in missing)
        amount = f"about {words.size(total)}" if total else "an amount we do not know"
        lines.append(("downloads", f"{amount} from the hub, once"))
    return lines


def unknown_phrases(settings: Settings, phrases: Iterable[str]) -> tuple[str, ...]:
    """Those of which the detector knows no word; () where its weights are not on this machine yet."""
    from vision.vocabulary import unknown_in

    folder = find(settings)[0].path
    return unknown_in(folder, phrases) if folder is not None else ()


def check_prompt(settings: Settings, phrases: Iterable[str]) -> None:
    """Raises PromptUnknown for a phrase of which the detector knows no word."""
    from vision.vocabulary import refuse

    refuse(unknown_phrases(settings, phrases))


def prompt_lines(phrases: Iterable[str]) -> list[tuple[str, str]]:
    """What a plan says of phrases in other letters than English has: that they will hardly find anything."""
    from vision.vocabulary import foreign

    found = foreign(phrases)
    return [("careful", f"the detector reads English; {words.listed([f'“{each}”' for each in found])} may find nothing")] if found else []


def seconds_a_picture(settings: Settings) -> float | None:
    """A rough figure for a CPU: measured at 800 px, divided among the cores. None: unknown weights, or a GPU may be used."""
    if settings.detector_weights == NANO:
        return 0.2
    on_cpu = settings.device == "cpu" or (settings.device == "auto" and not _gpu_likely())
    if on_cpu and settings.detector_weights in KNOWN_SIZES:
        return 16.0 / (settings.threads or os.cpu_count() or 1)
    return None


def _gpu_likely() -> bool:
    """Without importing torch: an NVIDIA driver is there, or this is a Mac."""
    return Path("/proc/driver/nvidia").exists() or os.uname().sysname == "Darwin"
