"""The demo's drawn scenes and what is really on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dinolabel.vision.errors import SettingsError
from dinolabel.vision.types import Box


@dataclass(frozen=True, slots=True)
class Thing:
    """One true object. box: pixels, xyxy. identity: who it is, None for a stranger or another noun."""

    noun: str
    box: Box
    identity: str | None


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture with every object on it. width, height: pixels."""

    file: str
    width: int
    height: int
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class World:
    """All scenes. prompt: the words to look for; names: whom the reviewer names."""

    folder: Path
    prompt: str
    names: tuple[str, ...]
    scenes: tuple[Scene, ...]

    def prompted_things(self, scene: Scene) -> list[Thing]:
        """The objects the prompt asks for."""
        return [thing for thing in scene.things if thing.noun == self.prompt]

    @property
    def reviewed(self) -> tuple[Scene, ...]:
        """Every other scene: what the reviewer works on."""
        return self.scenes[0::2]

    @property
    def unseen(self) -> tuple[Scene, ...]:
        """The rest: looked at by nobody before the score."""
        return self.scenes[1::2]

    @classmethod
    def load(cls, folder: Path) -> World:
        """Read `truth.json` beside the pictures. Raises SettingsError when it is not there."""
        path = folder / "truth.json"
        if not path.is_file():
            raise SettingsError(
                f"The demo's scenes are not in {folder}.", hint="Clone the repository whole: dinolabel/nano/demo is part of it."
            )
        truth = json.loads(path.read_text(encoding="utf-8"))
        scenes = (
            Scene(
                image["file"],
                image["width"],
                image["height"],
                tuple(Thing(each["noun"], Box(*each["box"]), each["identity"]) for each in image["objects"]),
            )
            for image in truth["images"]
        )
        return cls(folder, truth["prompt"], tuple(truth["names"]), tuple(sorted(scenes, key=lambda scene: scene.file)))
