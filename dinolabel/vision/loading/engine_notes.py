"""What was found when a detector's engines were compared on this machine: one small JSON file."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class EngineNote:
    """agrees: whether the quick engine gave the reference's numbers. weights: what the detector calls them. told: for people. engine: which
    it was, `exact` or `fast`."""

    agrees: bool
    weights: str
    told: str
    engine: str = "exact"


class EngineNotes:
    """Notes by key; without a path nothing is kept. A lost or damaged file costs one comparison."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @property
    def kept(self) -> bool:
        return self._path is not None

    def get(self, key: str) -> EngineNote | None:
        with suppress(TypeError, KeyError):
            return EngineNote(**self._all()[key])
        return None

    def put(self, key: str, note: EngineNote) -> None:
        """Kept where it can be: in a folder that cannot be written to, each start compares anew."""
        if self._path is not None:
            with suppress(OSError), atomic_file(self._path) as half:
                others = {each: known for each, known in self._all().items() if each != key}
                content = {"format": FORMAT, "notes": {**others, key: asdict(note)}}  # the newest stands last
                half.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def of(self, weights: str, engine: str = "exact") -> EngineNote | None:
        """The last one of this engine with these weights, whatever the versions were."""
        found = [note for key in self._all() if (note := self.get(key)) is not None and (note.weights, note.engine) == (weights, engine)]
        return found[-1] if found else None

    def _all(self) -> dict[str, dict[str, Any]]:
        """Empty where there are none, or a later version's."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            stored = parse_json(self._path.read_text(encoding="utf-8")) if self._path else {}
            return dict(stored["notes"]) if stored.get("format") == FORMAT else {}
        return {}
