"""Why a box has its name: the approved crops that are most like it, as pictures.

Knows an export's manifest (its `crop` and the parts of a row's id) and bundles' ids; nothing of Gradio or training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vision.errors import MediaError
from vision.media import open_image
from vision.store import PROJECT
from vision.types import Pixels

MANIFEST = "manifest.jsonl"


class Why:
    """exports: a folder per project, as the backend makes them before it trains; None where there are none on this machine."""

    def __init__(self, exports: Path | None) -> None:
        self._exports = exports

    def crops(self, version: str | None, row: Mapping[str, Any]) -> list[tuple[Pixels, str]]:
        """(picture, words) of each crop a row of the JSON leans on, nearest first; those that are no longer there are left out."""
        project = (version or "").partition("/")[0]
        found = []
        for each in row.get("because", ()):
            path = self._paths(project).get(str(each["crop"]))
            if path is not None and (pixels := _pixels(path)) is not None:
                found.append((pixels, f"{each['label']} · {1 - float(each['distance']):.2f}"))
        return found

    def _paths(self, project: str) -> Mapping[str, Path]:
        if self._exports is None or not PROJECT.fullmatch(project):
            return {}
        manifest = self._exports / project / MANIFEST
        try:
            return _listed(manifest, manifest.stat().st_mtime_ns)
        except OSError:
            return {}


@lru_cache(maxsize=8)
def _listed(manifest: Path, modified: int) -> Mapping[str, Path]:
    """Id of a row -> its crop's file, of those that lie inside the export. modified: so that a new export is read anew."""
    home = manifest.parent.resolve()
    found: dict[str, Path] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = (home / row["crop"]).resolve()
        if path.is_relative_to(home):
            found["/".join(str(row[key]) for key in ("task", "annotation", "region", "view"))] = path
    return found


def _pixels(path: Path) -> Pixels | None:
    try:
        return np.asarray(open_image(path).pixels)
    except MediaError:
        return None


def words(row: Mapping[str, Any], crops: Sequence[object]) -> str:
    """What stands above the pictures."""
    if not row.get("because"):
        return "Choose a head under *Names* to see which approved crops a name leans on."
    lean = ", ".join(f"{each['label']} {1 - float(each['distance']):.2f}" for each in row["because"])
    missing = "" if crops else " Their pictures are not on this machine (`dinolabel export crops` brings them)."
    return f"**{row['label']}** is most like: {lean} (cosine).{missing}"
