"""Explanations of a box's name: the approved crops that are most like it, as pictures.

Where the crop of an id lies is dinolabel/vision/bundles/explanations.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinolabel.vision.bundles.explanations import crop_files
from dinolabel.vision.bundles.registry import PROJECT
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import MediaError
from dinolabel.vision.types import Pixels


class Explanations:
    """exports: a folder per project, as the backend makes them before it trains; None where there are none on this machine."""

    def __init__(self, exports: Path | None) -> None:
        self._exports = exports

    def crops(self, version: str | None, row: Mapping[str, Any]) -> list[tuple[Pixels, str]]:
        """(picture, words) of each crop a row of the JSON leans on, nearest first; those that are no longer there are left out."""
        project = (version or "").partition("/")[0]
        if self._exports is None or not PROJECT.fullmatch(project):
            return []
        because = row.get("because", ())
        files = crop_files(self._exports / project, [str(each["crop"]) for each in because])
        found = []
        for each in because:
            path = files.get(str(each["crop"]))
            if path is not None and (pixels := _pixels(path)) is not None:
                found.append((pixels, f"{each['label']} · {1 - float(each['distance']):.2f}"))
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
    if crops:
        return f"**{row['label']}**: most like these approved boxes. 1.00 would be the very same."
    lean = ", ".join(f"{each['label']} {1 - float(each['distance']):.2f}" for each in row["because"])
    missing = "Their pictures are not on this machine (`dinolabel export crops` brings them)."
    return f"**{row['label']}**: most like approved boxes of {lean}; 1.00 would be the very same. {missing}"
