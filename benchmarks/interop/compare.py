"""What a reader found, beside the truth: boxes found, the largest difference in pixels, and why it found none."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.interop.world import Truth, is_webp

MOST = {"voc": 1.0}  # pixels: VOC's corners are whole ones
PIXELS = 0.01
WITHOUT_WEBP = ("roboflow",)
"""Programs that pass over pictures of that format: less is looked for, and it is said."""


@dataclass(frozen=True)
class Cell:
    """of: boxes or crops there are. found: those that were read under their label. pictures: read, of how many. difference: pixels."""

    form: str
    peer: str
    version: str
    of: int
    found: int
    pictures: tuple[int, int]
    difference: float | None
    error: str | None
    remark: str = ""

    @property
    def most(self) -> float:
        return MOST.get(self.form, PIXELS)

    @property
    def words(self) -> str:
        if self.error:
            return self.error
        told = f"{self.found} of {self.of}"
        told += "" if self.difference is None else f", {self.difference:.2g} px"
        return f"{told} ({self.remark})" if self.remark else told


def compare(said: Mapping[str, Any], truth: Truth, crops: Mapping[str, tuple[str, str]]) -> Cell:
    """crops: of each crop that is named, by the stem of its file: label and folder."""
    form, peer, version = said["format"], said["peer"], said.get("version", "not installed")
    facts = (form, peer, version)
    if form == "crops":
        names = {Path(name).stem if name.endswith(".png") else name: label for name, label in said["crops"]}
        right = sum(names.get(stem) in told for stem, told in crops.items())
        return Cell(*facts, len(crops), right, (len(said["crops"]), len(crops)), None, said.get("error"))
    less = peer in WITHOUT_WEBP
    remark = "without WebP, which it passes over" if less else ""
    truth = {task: boxes for task, boxes in truth.items() if not (less and is_webp(task))}
    found: dict[int, list[tuple[str, list[float]]]] = {}
    for name, label, *box in said["boxes"]:
        found.setdefault(_task(name), []).append((label, box))
    pairs = [_nearest(boxes, found.get(task, [])) for task, boxes in truth.items()]
    number, differences = sum(len(each) for each in pairs), list(itertools.chain(*pairs))
    strays = len(said["boxes"]) - number
    error = said.get("error") or (f"{strays} boxes too many" if strays > 0 else None)
    pictures = (len({_task(name) for name, *_ in said["pictures"]} & set(truth)), len(truth))
    return Cell(
        *facts,
        sum(map(len, truth.values())),
        number,
        pictures,
        max(differences, default=None),
        error,
        remark,
    )


def _task(name: str) -> int:
    return int(name.partition("-")[0])


def _nearest(truth: list[tuple[str, float, float, float, float]], found: list[tuple[str, list[float]]]) -> list[float]:
    """Of each true box that was found, the largest difference of a corner; a found box stands for one only."""
    left, differences = list(found), []
    for label, *box in truth:
        near = [(max(abs(a - b) for a, b in zip(box, other, strict=True)), at) for at, (named, other) in enumerate(left) if named == label]
        if near and min(near)[0] < 2:
            differences.append(float(min(near)[0]))
            left.pop(min(near)[1])
    return differences
