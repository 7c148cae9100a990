"""The settings of a command beside a live `dinolabel up` or `serve`: what nobody set here is as it is there.

Order: flag, then environment and `.env`, then the neighbour on the same data folder, then the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinolabel.cli import console, words
from dinolabel.local import up_state
from dinolabel.settings import Settings

PLUGS = {"detector": "detector_weights", "embedder": "embedder_weights"}
"""Weights go with the plug that reads them, so they are taken only together."""
ALONE = ("models_dir", "input_size", "precision", "engine", "box_threshold", "text_threshold", "nms_iou")
ADDRESS = "studio_url"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """name: the command, for sentences. settings: those it told, as JSON has them. lent: which of them stand alone and can be taken."""

    name: str
    settings: Mapping[str, Any]
    lent: tuple[str, ...]


def note(settings: Settings) -> dict[str, Any]:
    """The settings that a running one tells its neighbours, as JSON has them: no secrets."""
    told = settings.model_dump(mode="json", include={*PLUGS, *PLUGS.values(), *ALONE, ADDRESS})
    return told | {"models_dir": str(settings.models_dir.expanduser().absolute()) if settings.models_dir else None}


def find(data_dir: Path) -> Neighbour | None:
    """The `up`, else the `serve`, that runs on the data folder."""
    up, serve = up_state.find(data_dir), up_state.find_serving(data_dir)
    if up is not None:
        # Its Label Studio's address goes with its token (factory.studio_if_set): a token from here must not be sent there.
        return Neighbour("dinolabel up", {**up.settings, ADDRESS: up.url}, ALONE)
    return Neighbour("dinolabel serve", serve.settings, (*ALONE, ADDRESS)) if serve is not None else None


def settings(**flags: Any) -> Settings:
    """A command's settings. What is set here on purpose and differs from the neighbour's is said in one line. Raises SettingsError."""
    own = Settings.load(**flags)
    beside = find(own.data_dir)
    if beside is None:
        return own
    taken = {name: value for name, value in _settings_to_take(own, beside).items() if value is not None}
    for sentence in differing(own, beside, but={name for name, value in flags.items() if value is not None}):
        console.err.print(console.warn("careful"), sentence, soft_wrap=True)
    made = Settings.load(**(flags | taken))
    made.model_fields_set.difference_update(taken)  # nobody set them here
    return made


def differing(own: Settings, beside: Neighbour, *, but: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """A sentence when settings made on purpose are not the neighbour's. but: those that need no word, such as flags."""
    here, there = note(own), beside.settings
    names = [name for name in here if name in there and name in own.model_fields_set and name not in but and here[name] != there[name]]
    if not names:
        return []
    theirs = words.join_words([_value_words(name, there[name]) for name in names])
    ours = words.join_words([_value_words(name, here[name]) for name in names])
    return [f"`{beside.name}` runs with {theirs}; your settings name {ours}, and this command uses these."]


def _value_words(name: str, value: object) -> str:
    return f"{name} {value}" if value is not None else f"no {name}"


def _settings_to_take(own: Settings, beside: Neighbour) -> dict[str, Any]:
    """The neighbour's values of what nobody set here. Weights only for the same plug."""
    explicit, theirs = own.model_fields_set, beside.settings
    taken = {name: theirs[name] for name in beside.lent if name in theirs and name not in explicit}
    for plug, weights in PLUGS.items():
        if plug not in theirs or weights not in theirs or weights in explicit:
            continue
        if plug not in explicit:
            taken[plug] = theirs[plug]
        if taken.get(plug, getattr(own, plug)) == theirs[plug]:
            taken[weights] = theirs[weights]
    return taken
