"""Who was forgotten, so that an export does not bring them back: kept as salted digests, never as names."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dinolabel.studio.label_configs.label_names import normalise_name
from dinolabel.studio.regions.writing import names_of, overlap
from dinolabel.studio.reviews.annotations import FORGOTTEN
from dinolabel.studio.reviews.decisions import SAME_OBJECT
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json

FILE = "forgotten.json"
ROUNDS = 20_000  # of PBKDF2: a name is short, and a digest of it should not be guessed at leisure
Task = dict[str, Any]


class ErasureRegistry:
    """Digests of names by project. folder: the data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        stored: dict[str, Any] = parse_json(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self._salt: str = stored.get("salt") or secrets.token_hex(16)
        self._digests: dict[str, list[str]] = stored.get("projects", {})
        self._known: dict[tuple[str, str], bool] = {}

    def add(self, project: int, names: Iterable[str]) -> None:
        before = set(self._digests.get(str(project), ()))
        self._digests[str(project)] = sorted(before | {self._digest(normalise_name(each)) for each in names})
        self._write()

    def lift(self, project: int, name: str) -> bool:
        """Let a name count again; whether it had been forgotten."""
        digests = self._digests.get(str(project), [])
        if not digests or not self.has(project, name):
            return False
        gone = set(self._spelt(name))
        self._digests[str(project)] = [each for each in digests if each not in gone]
        self._known.clear()
        self._write()
        return True

    def has(self, project: int, name: str) -> bool:
        digests = self._digests.get(str(project))
        if not digests:
            return False
        key = (str(project), name)
        if key not in self._known:
            self._known[key] = any(each in digests for each in self._spelt(name))
        return self._known[key]

    def without(self, project: int, task: Task) -> Task:
        """The task without regions of forgotten names, and without what was predicted in their place: that is no rejected box.

        An annotation that lost one says how many (FORGOTTEN), so that the picture is undecided and never one with nothing in it.
        """
        if not self._digests.get(str(project)):
            return task
        gone = [each for one in task.get("annotations") or [] for each in one.get("result") or [] if self._names(project, each)]
        if not gone:
            return task
        annotations = [self._cleaned(project, one, gone) for one in task["annotations"]]
        predictions = [self._cleaned(project, one, gone) if isinstance(one, dict) else one for one in task.get("predictions") or []]
        return {**task, "annotations": annotations, "predictions": predictions}

    def _cleaned(self, project: int, one: Mapping[str, Any], gone: list[Mapping[str, Any]]) -> dict[str, Any]:
        """An annotation or prediction, with the prediction inlined in it. In an annotation other people's own boxes stay."""
        ours = "completed_by" not in one
        kept = [each for each in one.get("result") or [] if not (self._names(project, each) or (ours and _in_place_of(each, gone)))]
        cleaned = {**one, "result": kept}
        if not ours and (lost := len(one.get("result") or []) - len(kept)):
            cleaned[FORGOTTEN] = lost
        if isinstance(inline := one.get("prediction"), dict) and inline:
            cleaned["prediction"] = self._cleaned(project, inline, gone)
        return cleaned

    def _names(self, project: int, region: Any) -> bool:
        return any(self.has(project, each) for each in names_of(region))

    def _spelt(self, name: str) -> list[str]:
        """Digests of a name as names are made, and as earlier versions took it: letter by letter."""
        return [self._digest(each) for each in dict.fromkeys((normalise_name(name), name))]

    def _digest(self, name: str) -> str:
        return hashlib.pbkdf2_hmac("sha256", name.encode("utf-8", "surrogatepass"), bytes.fromhex(self._salt), ROUNDS).hex()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._path) as half:
            half.write_text(json.dumps({"format": 1, "salt": self._salt, "projects": self._digests}), encoding="utf-8")


def _in_place_of(region: Any, gone: list[Mapping[str, Any]]) -> bool:
    if not isinstance(region, dict):
        return False
    return any(each.get("id") == region.get("id") or overlap(each, region) >= SAME_OBJECT for each in gone)
