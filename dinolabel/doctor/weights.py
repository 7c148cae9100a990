"""Where the weights in the settings are, how large, and what will be downloaded: for plans and `doctor`, without loading any.

Where they are looked for is dinolabel/vision/loading/weights.py's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dinolabel.cli import console, words
from dinolabel.settings import Settings
from dinolabel.vision import plugins
from dinolabel.vision.errors import WeightsMissing
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.dlib_models import FACES
from dinolabel.vision.loading.hub import ways_out
from dinolabel.vision.loading.weights import DRAWN_ONLY, NANO, WeightsLocation, obtain, refuse_exported, tell_limits

HUB = "hub"
PAIRS = (NANO, FACES)
# model.safetensors as the hub lists it; other weights are measured when they are here
KNOWN_SIZES = {
    "IDEA-Research/grounding-dino-tiny": 689_359_096,
    "IDEA-Research/grounding-dino-base": 933_464_344,
    "facebook/dinov2-small": 88_249_960,
}


def described(location: WeightsLocation) -> str:
    """`nano (embedded, knows drawn things only, not photos, 18 MB)`: name, place and size, for plans and `doctor`."""
    places = {
        "embedded": f"embedded, {DRAWN_ONLY}", "folder": f"in {location.path}", "file": "a file", "cache": "downloaded before",
        "package": "of the package registry",
    }  # fmt: skip
    if location.where == "package" and not location.here:
        return f"{location.name} (not here yet: {dlib_models.COMMAND})"
    if location.where == "none":
        return f"{location.name} (needs no weights)"
    amount = size(location)
    return f"{location.name} ({places.get(location.where, 'not here yet')}{f', {words.size(amount)}' if amount else ''})"


def size(location: WeightsLocation) -> int | None:
    """Bytes; None when they are not here and not known."""
    return location.size or KNOWN_SIZES.get(location.name)


def flags(weights: str | None, embedder: str | None = None) -> dict[str, str]:
    """The settings that --weights stands for: `nano`, `faces` and `hub` are pairs, anything else names the detector.

    embedder: as --embedder says, in the place of what goes with the weights. Raises WeightsMissing for an exported model, which --model
    takes; UnknownPlug, RequestError for an embedder whose weights must be named, too.
    """
    return _weights_flags(weights) | embedder_flags(embedder)


def _weights_flags(weights: str | None) -> dict[str, str]:
    if weights is None:
        return {}
    if weights == HUB:
        return {name: str(Settings.model_fields[name].default) for name in ("detector_weights", "embedder_weights")}
    refuse_exported(Path(weights).expanduser())
    return {"detector_weights": weights, "embedder_weights": weights} if weights in PAIRS else {"detector_weights": weights}


def embedder_flags(name: str | None) -> dict[str, str]:
    """The settings that --embedder stands for. Raises UnknownPlug, RequestError for one whose weights must be named, too."""
    if name is None:
        return {}
    plugins.check_choice(name)
    return {"embedder": name, "embedder_weights": name}


def pair(settings: Settings) -> tuple[str, str]:
    return settings.detector_weights, settings.embedder_weights


def find(settings: Settings) -> tuple[WeightsLocation, WeightsLocation]:
    """Detector's and embedder's."""
    where = {"models_dir": settings.models_dir}
    detector = plugins.locate("detector", settings.detector, settings.detector_weights, **where)
    return detector, plugins.locate("embedder", settings.embedder, settings.embedder_weights, **where)


def fetch(settings: Settings) -> None:
    """Have the weights on this machine: downloads what is not. Raises WeightsMissing when the hub is out of reach."""
    missing = [each for each in find(settings) if not each.here]
    for each in missing:
        with console.step(f"Downloading {each.name}") as came_out:
            try:
                obtain(each)
            except WeightsMissing as error:
                if each.where == "hub":
                    error.hint = ways_out(*(other.name for other in missing if other.where == "hub"))
                raise
            came_out(f"Downloaded {each.name}")


def warn_of_limits(name: str) -> None:
    """Say on stderr what weights of that name, as a detector has it, cannot find; nothing of those that know photos."""
    if limits := tell_limits(name):
        console.err.print(console.warn(f"{NANO} {limits}."), "For photos add --weights hub; it downloads 689 MB, once.", soft_wrap=True)


def plan_lines(settings: Settings, *, names: bool = True) -> list[tuple[str, str]]:
    """What a plan says about weights: which, and what must be downloaded. names: without, the embedder is not needed."""
    found = find(settings)[: 2 if names else 1]
    lines = [(each.kind, described(each)) for each in found]
    missing = [each for each in found if not each.here]
    if missing and all(each.where == "hub" for each in missing):
        total = sum(size(each) or 0 for each in missing)
        amount = f"about {words.size(total)}" if total else "an amount we do not know"
        lines.append(("downloads", f"{amount} from the hub, once"))
    return lines


def unknown_phrases(settings: Settings, phrases: Iterable[str]) -> tuple[str, ...]:
    """Those of which the detector knows no word; () where its weights are not on this machine yet."""
    from dinolabel.vision.proposals.face_words import unknown_words
    from dinolabel.vision.proposals.vocabulary import find_unknown_phrases_by_weights

    found = find(settings)[0]
    if found.name == FACES and found.needs == "package":
        return unknown_words(list(phrases))
    folder = found.path
    return find_unknown_phrases_by_weights(folder, phrases) if folder is not None else ()


def check_prompt(settings: Settings, phrases: Iterable[str]) -> None:
    """Raises PromptUnknown for a phrase of which the detector knows no word."""
    from dinolabel.vision.proposals.face_words import refuse_others
    from dinolabel.vision.proposals.vocabulary import refuse_unknown

    unknown = unknown_phrases(settings, phrases)
    (refuse_others if settings.detector_weights == FACES else refuse_unknown)(unknown)


def prompt_lines(phrases: Iterable[str]) -> list[tuple[str, str]]:
    """What a plan says of phrases in other letters than English has: that they will hardly find anything."""
    from dinolabel.vision.proposals.vocabulary import foreign_phrases

    found = foreign_phrases(phrases)
    return (
        [("careful", f"the detector reads English; {words.join_words([f'“{each}”' for each in found])} may find nothing")] if found else []
    )


def suits_faces(settings: Settings, phrases: Iterable[str], *, chosen: str = "") -> bool:
    """Whether the project looks for human faces only, what knows faces is installed, and nothing of it is chosen yet."""
    from dinolabel.vision.proposals.face_words import is_face

    named = list(phrases)
    mine = plugins.name_for(settings.embedder, settings.embedder_weights)
    there = dlib_models.find_folder() is not None and bool(dlib_models.library_version())
    return bool(named) and all(map(is_face, named)) and FACES not in (mine, chosen) and there


def face_lines(settings: Settings, phrases: Iterable[str]) -> list[tuple[str, str]]:
    """What a plan says where human faces are looked for with what was made for things of all kinds."""
    if not suits_faces(settings, phrases):
        return []
    return [("better", "for human faces: --weights faces finds them and tells them apart without a hub; --embedder faces tells apart only")]


def seconds_a_picture(settings: Settings) -> float | None:
    """A rough figure for a CPU: measured at 800 px, divided among the cores. None: unknown weights, or a GPU may be used."""
    if settings.detector_weights == FACES:
        return 3.0  # one thread, a quarter of a second for a million pixels
    if settings.detector != "grounding_dino":
        return None
    if settings.detector_weights == NANO:
        return 0.2
    on_cpu = settings.device == "cpu" or (settings.device == "auto" and not _gpu_likely())
    if on_cpu and settings.detector_weights in KNOWN_SIZES:
        return 16.0 / (settings.threads or os.cpu_count() or 1)
    return None


def _gpu_likely() -> bool:
    """Without importing torch: an NVIDIA driver is there, or this is a Mac."""
    return Path("/proc/driver/nvidia").exists() or os.uname().sysname == "Darwin"
