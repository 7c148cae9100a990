"""A person's keys in Label Studio's editor: given on request, remembered as they were, put back.

Label Studio keeps keys per person and for all of that person's projects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinolabel.local import up_state
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, StudioUser

NEXT, SUBMIT = "regions:region:cycle", "annotation:annotation:submit"
OURS = {NEXT: "n", SUBMIT: "space"}
"""What `up` gives on its own server. `n` is no label's key (label_text.AUTO_HOTKEYS), so no name is lost to it."""
USUAL = {NEXT: "alt+.", SUBMIT: "ctrl+enter"}
"""Label Studio's own, 1.23."""

MEMORY = "hotkeys.json"
FORMAT = 1
# Keys that mean something else in the editor of 1.23 and would stop doing so.
TAKEN = {"u": "unselect", "escape": "unselect", "esc": "unselect", "backspace": "delete the box", "delete": "delete", "enter": "edit text"}
_KEY = re.compile(r"(?:(?:ctrl|cmd|command|alt|option|shift|meta)\+)*(?:[a-z0-9.,/;\[\]'-]|space|tab|up|down|left|right|f\d{1,2})")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AssignedKey:
    """One key we gave, None after it was put back. before: Label Studio's entry of the person at the first time, None for none."""

    key: str | None
    before: Entry | None


def check_keys(wishes: Mapping[str, str | None]) -> dict[str, str]:
    """Element -> key for what was wished for. Raises RequestError for keys the editor does not know or uses otherwise."""
    keys = {element: key.strip().lower() for element, key in wishes.items() if key is not None}
    for key in keys.values():
        if key in TAKEN:
            raise RequestError(f"The key {key!r} is the editor's: {TAKEN[key]}.", hint="Choose another, for example n, space or ctrl+n.")
        if not _KEY.fullmatch(key):
            raise RequestError(f"{key!r} is no key the editor knows.", hint="Write it like n, space, tab or ctrl+enter.")
    if len(set(keys.values())) < len(keys):
        raise RequestError(f"Both would be on {next(iter(keys.values()))!r}.", hint="Choose two different keys.")
    return keys


def keys_in_use(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Element -> the key it is on for a person with these entries, for the two we care about."""
    return {element: str(entries[element]["key"]) if _on(entries, element) else usual for element, usual in USUAL.items()}


def give(studio: LabelStudio, person: StudioUser, keys: Mapping[str, str], data_dir: Path) -> None:
    """Set keys of a person beside their others; what was there before the first time is remembered for `undo`."""
    memory, mine = _Memory.read(data_dir), f"{studio.url} {person.id}"
    entries = studio.users.hotkeys(person.id)
    known = memory.given.get(mine, {})
    given = known | {
        element: AssignedKey(key, known[element].before if element in known else entries.get(element)) for element, key in keys.items()
    }
    memory.given[mine] = given
    memory.write(data_dir)  # first, so that a crash in between loses no key
    studio.users.set_hotkeys(person.id, entries | {element: {"key": key, "active": True} for element, key in keys.items()})


def give_ours(studio: LabelStudio, person: StudioUser, data_dir: Path) -> dict[str, str]:
    """As `up` does on its own server: only keys the person has not chosen otherwise. Returns what is in use now."""
    known = _Memory.read(data_dir).given.get(f"{studio.url} {person.id}", {})
    entries = studio.users.hotkeys(person.id)
    free = {element: key for element, key in OURS.items() if element not in entries and element not in known}
    if free:
        give(studio, person, free, data_dir)
    return keys_in_use(studio.users.hotkeys(person.id) if free else entries)


def take_back(studio: LabelStudio, person: StudioUser, data_dir: Path) -> tuple[list[str], list[str]]:
    """Put back what was there. Returns the elements put back, and those left because the person has changed them since."""
    memory, mine = _Memory.read(data_dir), f"{studio.url} {person.id}"
    entries = studio.users.hotkeys(person.id)
    given = {element: each for element, each in memory.given.get(mine, {}).items() if each.key is not None}
    ours = [element for element, each in given.items() if entries.get(element, {}).get("key") == each.key]
    for element in ours:
        before = given[element].before
        entries = {name: entry for name, entry in entries.items() if name != element} | ({element: before} if before else {})
    if ours:
        studio.users.set_hotkeys(person.id, entries)
    memory.given[mine] = memory.given.get(mine, {}) | {element: AssignedKey(None, each.before) for element, each in given.items()}
    memory.write(data_dir)  # kept, so that `up` does not give them once more
    return ours, [element for element in given if element not in ours]


def collisions(keys: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    """In words, which of a project's labels (label -> key) would lose their key."""
    return [f"{key} is the key of “{label}”" for key in keys.values() for label, own in labels.items() if own.lower() == key]


def _on(entries: Mapping[str, Mapping[str, Any]], element: str) -> bool:
    return element in entries and bool(entries[element].get("active", True)) and bool(entries[element].get("key"))


@dataclass(slots=True)
class _Memory:
    """given: "<Label Studio's address> <person's id>" -> element -> what we gave."""

    given: dict[str, dict[str, AssignedKey]]

    @classmethod
    def read(cls, data_dir: Path) -> _Memory:
        """Empty when there is none yet or it cannot be read."""
        with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            stored = parse_json((data_dir / MEMORY).read_text(encoding="utf-8"))
            return cls({mine: {name: AssignedKey(**each) for name, each in keys.items()} for mine, keys in stored["given"].items()})
        return cls({})

    def write(self, data_dir: Path) -> None:
        given = {mine: {name: {"key": each.key, "before": each.before} for name, each in keys.items()} for mine, keys in self.given.items()}
        up_state.write_private(data_dir / MEMORY, json.dumps({"format": FORMAT, "given": given}, indent=1))
