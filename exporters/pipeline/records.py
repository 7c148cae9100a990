"""Pictures with their decided boxes, measured on the file as it is: what every format but crops is written from.

Only values, and the JSON they rest in while an export runs. Boxes are pixels of the upright picture, xyxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dinolabel.exporters.media_lookup import uploaded
from dinolabel.studio.media.url import parts
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.regions.writing import Quad
from dinolabel.studio.reviews.verdicts import State
from dinolabel.vision.errors import MediaError
from dinolabel.vision.types import Box

UNLABELLED = "unlabelled"
"""The class of a box without a label, where the config does not have exactly one prompt label."""


@dataclass(frozen=True, slots=True)
class ExportedBox:
    """A box that leaves. label: the class it leaves under. given: the label people gave, None when there was none.

    box: the upright hull, clipped to the picture. quad: exact corners when it is rotated, clockwise, not clipped.
    """

    label: str
    given: str | None
    kind: str
    verdict: str
    box: Box
    quad: Quad | None
    origin: str | None
    score: float | None
    region: str
    annotation: int
    who: str | None
    at: str
    model_version: str | None


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """address: what the task says. file: where it is on this machine. name: a file name that no other picture of the export has.

    placed: path of its copy relative to the export, None when there is none. side: train or val. boxes: in the order people made them.
    looked_at: a person answered the task. unread: marks that could not be used.
    """

    task: int
    address: str
    file: str
    name: str
    sha256: str
    width: int
    height: int
    group: str
    side: str
    placed: str | None
    boxes: tuple[ExportedBox, ...]
    looked_at: bool = True
    unread: tuple[Unread, ...] = ()

    @property
    def undecided(self) -> bool:
        """Something in it was not used, so that what has no box may be there all the same."""
        return bool(self.unread)

    @property
    def state(self) -> State:
        return "undecided" if self.unread else "looked at" if self.looked_at else "untouched"


def original_name(address: str) -> str:
    """The file name in an address, without the eight digits that Label Studio puts before an upload's; also of one that makes no sense."""
    try:
        pieces = parts(address)
    except MediaError:
        pieces = [each for each in re.split(r"[/\\]", address) if each]
    name = (pieces or ["picture"])[-1]
    return uploaded(name) or name


def clean(text: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read(entry: Mapping[str, Any]) -> ExportedImage:
    values = {name: value for name, value in entry.items() if name not in ("lost", "sideways")}
    unread = tuple(Unread(**each) for each in entry.get("unread", ()))
    return ExportedImage(**{**values, "boxes": tuple(_box(each) for each in entry["boxes"]), "unread": unread})


def _box(entry: Mapping[str, Any]) -> ExportedBox:
    quad = entry["quad"] and tuple((float(x), float(y)) for x, y in entry["quad"])
    return ExportedBox(**{**entry, "box": Box(**entry["box"]), "quad": quad})


COLUMNS = (
    "task", "image", "file", "sha256", "width", "height", "group", "split", "state",
    "label", "given_label", "kind", "verdict", "x1", "y1", "x2", "y2", "quad",
    "origin", "score", "region", "annotation", "annotator", "at", "model_version", "unread",
)  # fmt: skip
"""image: the task's address. file: the copy's path, else the file read. x1…y2: pixels. quad: eight numbers, rotated boxes only.

state: dinolabel.studio.reviews.verdicts.State. unread: marks that could not be used, each with region, kind and why.
"""


def rows(picture: ExportedImage) -> Iterator[dict[str, Any]]:
    """All rows of a picture; columns that do not apply are None."""
    facts = {
        "task": picture.task,
        "image": picture.address,
        "file": picture.placed or picture.file,
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        "group": picture.group,
        "split": picture.side,
    }
    doubts = doubt_facts(picture)
    for each in picture.boxes:
        yield facts | box_facts(each) | doubts
    if not picture.boxes:
        yield dict.fromkeys(COLUMNS) | facts | doubts


def doubt_facts(picture: ExportedImage) -> dict[str, Any]:
    """What may be said of a picture besides its boxes."""
    return {"state": picture.state, "unread": [asdict(each) for each in picture.unread]}


def box_facts(marked: ExportedBox) -> dict[str, Any]:
    return {
        "label": marked.label,
        "given_label": marked.given,
        "kind": marked.kind,
        "verdict": marked.verdict,
        "x1": marked.box.x1,
        "y1": marked.box.y1,
        "x2": marked.box.x2,
        "y2": marked.box.y2,
        "quad": None if marked.quad is None else [number for corner in marked.quad for number in corner],
        **provenance(marked),
    }


def area_of(marked: ExportedBox) -> float:
    """Square pixels of a box; of a rotated one its own and not its hull's (the shoelace formula)."""
    box = marked.box
    corners = marked.quad or ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
    pairs = zip(corners, (*corners[1:], corners[0]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2


def provenance(marked: ExportedBox) -> dict[str, Any]:
    """Where a box came from and who decided it."""
    return {
        "origin": marked.origin,
        "score": marked.score,
        "region": marked.region,
        "annotation": marked.annotation,
        "annotator": marked.who,
        "at": marked.at,
        "model_version": marked.model_version,
    }
