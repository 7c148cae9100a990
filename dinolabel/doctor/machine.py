"""What `dinolabel doctor` looks at: each check answers with findings, one line each, with what to do where something is wrong.

A check never raises on purpose-made errors: they are what it reports. It changes nothing.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from dinolabel import factory, running_settings
from dinolabel.cli import words
from dinolabel.doctor import plugins, weights
from dinolabel.settings import FormerSettings, Settings, env_file
from dinolabel.vision.errors import DinolabelError, ModelError
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.engine_notes import EngineNotes
from dinolabel.vision.loading.weights import describe, obtain

Level = Literal["ok", "warn", "bad"]
PACKAGES = ("torch", "transformers", "label-studio", "label-studio-sdk", "gradio", "flask")
IN_THE_WAY = ("torchvision", "timm")
LITTLE_SPACE = 2e9


@dataclass(frozen=True, slots=True)
class Finding:
    """about: what was looked at. text: what was found. fix: what to do, "" when nothing."""

    level: Level
    about: str
    text: str
    fix: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def run(settings: Settings, checks: Iterable[Check]) -> Iterator[Finding]:
    """Every check's findings, in order. An error of ours that a check did not foresee becomes a finding with its hint."""
    for check in checks:
        try:
            yield from check(settings)
        except DinolabelError as error:
            yield Finding("bad", check.__name__.replace("_", " "), str(error), error.hint)


def settings_read(settings: Settings) -> Iterator[Finding]:
    changed = sorted(settings.model_fields_set)
    file = env_file()
    source = f" and {file}" if file else ""
    yield Finding(
        "ok", "settings", f"read from the environment{source}: {words.join_words(changed)}" if changed else "all at their defaults"
    )
    for text in FormerSettings.farewells():
        yield Finding("warn", "settings", text.removesuffix("."), f"Take it out of the environment{source}.")
    beside = running_settings.find(settings.data_dir)
    if beside is None:
        return
    named = words.join_words([str(beside.settings.get(each)) for each in running_settings.PLUGS.values()])
    yield Finding("ok", "running", f"`{beside.name}` with this data folder, with {named}; what is not set here is as it is there")
    for sentence in running_settings.differing(settings, beside):
        yield Finding("warn", "running", sentence, "Unset these here, unless that is meant.")


def packages(_settings: Settings) -> Iterator[Finding]:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding(
            "bad", "python", platform.python_version(), "Make the environment with Python 3.11, 3.12 or 3.13: `python3.11 run.py setup`."
        )
    missing = [name for name in PACKAGES if _version(name) is None]
    found = [f"{name} {_version(name)}" for name in PACKAGES if name not in missing]
    yield Finding("ok", "packages", f"Python {platform.python_version()}, {', '.join(found)}")
    if missing:
        yield Finding("bad", "packages", f"missing: {', '.join(missing)}", "Run `python run.py setup`.")
    there = [name for name in IN_THE_WAY if importlib.util.find_spec(name)]
    if there:
        yield Finding(
            "warn", "packages", f"{words.join_words(there)} in this environment can break GroundingDINO", f"pip uninstall {' '.join(there)}"
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def plugins_of_packages(_settings: Settings) -> Iterator[Finding]:
    for word, names in plugins.listed():
        yield Finding("ok", "plug-ins", f"{word}: {names}")
    for sentence, fix in plugins.faults():
        yield Finding("warn", "plug-ins", sentence, fix)


def data_folder(settings: Settings) -> Iterator[Finding]:
    folder = factory.data_dir(settings)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding(
            "bad", "data folder", f"{folder} cannot be written: {error.strerror}", "Mend its rights, or name another in DINOLABEL_DATA_DIR."
        )
        return
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free > LITTLE_SPACE else "warn"
    yield Finding(
        level, "data folder", f"{folder}, {words.size(free)} free", "" if level == "ok" else "Make room: caches and weights need some GB."
    )


def weights_here(settings: Settings) -> Iterator[Finding]:
    for each in weights.find(settings):
        if each.where == "hub":
            size = weights.size(each)
            amount = f" ({words.size(size)})" if size else ""
            fix = "Nothing to do where the hub is reached; else copy the folder here and set DINOLABEL_MODELS_DIR."
            yield Finding("warn", each.kind, f"{each.name} is not here yet: downloaded at the first use{amount}", fix)
            continue
        try:
            yield Finding("ok", each.kind, weights.described(obtain(each)))
        except ModelError as error:
            yield Finding("bad", each.kind, str(error), error.hint)
    if dlib_models.has_two_libraries():
        yield Finding(
            "warn",
            "faces",
            "dlib and dlib-bin are both installed, and are one module",
            f"pip uninstall dlib dlib-bin, then pip install {dlib_models.REQUIREMENTS[0]}",
        )


def device(settings: Settings) -> Iterator[Finding]:
    from dinolabel.vision.loading.device import pick, precision_name

    chosen, dtype = pick(settings.device, settings.precision)
    name = precision_name(dtype)
    cores = f", {words.count_noun(os.cpu_count() or 1, 'core')}" if chosen == "cpu" else ""
    engine = _engine(settings) if (chosen, name) == ("cpu", "float32") else ""  # elsewhere transformers' forward alone
    yield Finding("ok", "device", f"{chosen} in {name}{cores}{engine}")


def _engine(settings: Settings) -> str:
    """Which engine GroundingDINO has here, as the end of a sentence; "" for other detectors."""
    location = next((each for each in weights.find(settings) if each.kind == "detector"), None)
    if (
        location is None
        or location.needs == "package"
        or settings.detector != "grounding_dino"
        or location.path is None
        or settings.engine == "transformers"
    ):
        return ""
    engine = "fast" if settings.engine == "fast" and settings.precision == "auto" else "exact"
    note = EngineNotes(factory.engine_notes(settings)).of(describe(location.path), engine)
    if note is not None:
        how = "seen to agree with" if note.agrees else "not used, in its place"
        return f"; engine {settings.engine}: {how} transformers' ({note.told})"
    if engine == "fast":
        return f"; engine {settings.engine}: not compared with transformers' yet, so the next start takes some seconds longer"
    return f"; engine {settings.engine}: the first pictures are answered by transformers, slower, and compared; later ones are quicker"


EVERYWHERE: tuple[Check, ...] = (settings_read, packages, plugins_of_packages, data_folder, weights_here, device)
