"""What a YOLO export of ours remembers in `dinolabel-pictures.json`: of which task a picture is, and what its lines have no place for.

A line that was changed since is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from dinolabel.exporters.formats.yolo import PICTURES
from dinolabel.exporters.importers.common.marks import ImportedMark
from dinolabel.exporters.importers.common.picture_search import PictureFinder
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable, read_json
from dinolabel.exporters.importers.common.tables import points_of, restore_unread
from dinolabel.studio.regions.unread import Unread
from dinolabel.vision.decoding.frame_sizes import Size

SAME = 0.01  # pixels: eight decimals of a share, in the largest picture
Json = Mapping[str, Any]


@dataclass(frozen=True)
class PictureElsewhere:
    """A picture that is not in the export's folder. file: where else it is, or None. text: its lines. size: of the upright picture."""

    name: str
    file: Path | None
    text: Path
    size: Size


@dataclass
class YoloMemory:
    """pictures: by the name of the picture's copy. met: those that were completed."""

    pictures: dict[str, Json]
    completed_names: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, folder: Path) -> YoloMemory:
        """Empty for a folder that we did not write. Raises ImportUnreadable."""
        file = folder / PICTURES
        if not file.is_file():
            return cls({})
        try:
            return cls({PurePosixPath(str(each["name"])).name: {**each, "size": _size(each)} for each in read_json(file)})
        except (TypeError, KeyError, ValueError) as error:
            hint = "Delete it to read the folder as any other YOLO data set."
            raise ImportUnreadable(f"{file} is no list of pictures of ours: {type(error).__name__} {error}.", hint=hint) from error

    def exact(self, name: str, marks: Sequence[ImportedMark | Unread]) -> list[ImportedMark | Unread]:
        """The marks of a picture's lines, in their order and in pixels, with what is remembered of those that nobody changed."""
        said = (self.pictures.get(name) or {}).get("boxes") or []
        if len(said) != len(marks):
            return list(marks)
        return [_exact(mark, fact) if isinstance(mark, ImportedMark) else mark for mark, fact in zip(marks, said, strict=True)]

    def complete(self, each: ImportedImage) -> ImportedImage:
        """The picture with what is remembered of it."""
        facts = self.pictures.get(each.name)
        if facts is None:
            return each
        self.completed_names.add(each.name)
        return replace(
            each,
            task=facts.get("task"),
            address=facts.get("address"),
            sha256=facts.get("sha256"),
            unread=(*restore_unread(facts.get("unread")), *each.unread),
            looked_at=facts.get("state") != "untouched",
        )

    def others(self, folder: Path, media: Path | None) -> Iterator[PictureElsewhere]:
        """Pictures not met yet whose lines are there: one without was taken out of the data set."""
        near = PictureFinder(media)
        for name in [each for each in self.pictures if each not in self.completed_names]:
            facts = self.pictures[name]
            text = folder / "labels" / PurePosixPath(str(facts.get("side"))).name / f"{Path(name).stem}.txt"
            if text.is_file():
                yield PictureElsewhere(name, near.find(str(facts.get("address")), facts.get("sha256")), text, facts["size"])


def _size(facts: Json) -> Size:
    return int(facts["width"]), int(facts["height"])


def _exact(mark: ImportedMark, fact: Any) -> ImportedMark:
    box, quad = points_of(fact.get("box")), points_of(fact.get("quad"))
    if len(box) != 2 or not _near(mark, *box[0], *box[1]):
        return mark
    (x1, y1), (x2, y2) = box
    return replace(
        mark,
        points=quad if len(quad) == 4 else ((x1, y1), (x2, y1), (x2, y2), (x1, y2)),
        turned=len(quad) == 4,
        label=mark.label if fact.get("given", True) else None,
        verified=fact.get("verdict") != "unverified",
        score=fact.get("score"),
    )


def _near(mark: ImportedMark, *corners: float) -> bool:
    xs, ys = zip(*mark.points, strict=True)
    return all(abs(one - other) <= SAME for one, other in zip((min(xs), min(ys), max(xs), max(ys)), corners, strict=True))
