"""From annotated tasks to pictures with boxes: the way that every format but crops begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.image_copies import copy_or_link, suffix_of
from dinolabel.exporters.pipeline.collection import FORMAT, ExportContext, Find, ImageCollection, Json, Place, write_cards
from dinolabel.exporters.pipeline.collector import TaskCollector, collect
from dinolabel.exporters.pipeline.records import UNLABELLED, ExportedBox, ExportedImage, clean, original_name, read
from dinolabel.exporters.pipeline.region_frame import place_on_image
from dinolabel.exporters.pipeline.sides import side_of
from dinolabel.exporters.safe_names import safe
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.url import brief
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.decisions import ReviewedBox
from dinolabel.vision.decoding.pictures import RULES, stored
from dinolabel.vision.types import Image

log = structlog.get_logger(__name__)


@contextmanager
def collect_images(
    tasks: Iterable[Json],
    config: LabelConfig,
    out: Path,
    *,
    name: str,
    place: Place,
    suffix: str | None = None,
    **how: Unpack[ExportContext],
) -> Iterator[ImageCollection]:
    """Read every picture of `tasks`; the block writes the format into the tray, and `out` appears when it ends well.

    place: where a format wants a picture's copy, None for nowhere. suffix: `.jpg` where a format's readers open nothing else; pictures of
    other formats are written anew. A MediaError costs that picture only. Stopped and called again with the same choices, it goes on where
    it was. Raises what dinolabel.exporters.pipeline.collector.collect raises.
    """
    wish, generic_is_unknown = how.get("wish", ExportOptions()), how.get("generic_is_unknown", False)
    terms = [FORMAT, RULES, name, wish.terms, repr(config), generic_is_unknown, *([suffix] if suffix else [])]
    common: dict[str, Any] = {"config": config, "wish": wish, "generic_is_unknown": generic_is_unknown, "open_image": how["open_image"]}
    progress = how.get("progress", lambda done, total: None)
    with collect(
        lambda journal, tray: _ImageCollector(**common, journal=journal, tray=tray, find=how["find"], place=place, suffix=suffix),
        out,
        name=name,
        terms=terms,
        run=lambda collector: collector.collect(tasks, progress),
    ) as collector:
        found = collector.result()
        yield found
        write_cards(found, name, out)
    log.info("exported", format=name, images=found.report.images, boxes=found.report.rows, failed=len(found.report.failed))


@dataclass(kw_only=True)
class _ImageCollector(TaskCollector):
    find: Find
    place: Place
    suffix: str | None = None
    unnamed: bool = False
    sides: dict[str, int] = field(default_factory=dict)

    def result(self) -> ImageCollection:
        labels = tuple(map(clean, self.config.labels))
        classes = (*labels, *([UNLABELLED] if self.unnamed and UNLABELLED not in labels else []))
        moved = self.balance.moved() if self.wish.split else {}
        sides = self._move(moved) if moved else self.sides
        common = (self.config, self.wish, self.report(sides=sides), self.open_image, self.place, moved)
        return ImageCollection(self.journal, self.tray, classes, *common)

    def _move(self, moved: Mapping[str, str]) -> dict[str, int]:
        """Bring copies of groups that change sides to their new place; pictures by side afterwards."""
        sides: Counter[str] = Counter(self.sides)
        for entry in self.journal:
            side = moved.get(entry.get("group"), entry.get("side")) if "name" in entry else None
            if side is None or side == entry["side"]:
                continue
            sides.update({side: 1, entry["side"]: -1})
            to = self.place(replace(read(entry), side=side)) if entry["placed"] else None
            if to is not None:
                self.tray.move(entry["placed"], to)
        return {side: number for side, number in sides.items() if number}

    def entry(self, task: Json, boxes: Sequence[ReviewedBox], *, looked_at: bool, unread: tuple[Unread, ...]) -> dict[str, Any]:
        """The picture with its boxes, and its copy; or that it is left out, where only it told that a box lies outside."""
        data = task.get("data") or {}
        address = self.config.picture_in(data)
        image, file = self.open_image(address), self.find(address)
        boxes, sideways = place_on_image(boxes, image, lambda: stored(file).turn)
        found = [(judged, self._exported_box(judged, image)) for judged in boxes]
        marked = [each for _, each in found if each is not None]
        lost = [_outside(judged) for judged, each in found if each is None]
        if lost and not self.wish.undecided:
            return {"left_out": True, "lost": lost}
        by = data.get(self.wish.group_by) if self.wish.group_by else None
        group = image.sha256 if by is None else str(by)
        stem = Path(original_name(address)).stem
        picture = ExportedImage(
            task=int(task["id"]),
            address=clean(brief(address)),
            file=str(file),
            name=f"{task['id']}-{safe(stem)}{self.suffix or suffix_of(file)}",
            sha256=image.sha256,
            width=image.width,
            height=image.height,
            group=clean(group),
            side=side_of(group) if self.wish.split else "all",
            placed=None,
            boxes=tuple(marked),
            looked_at=looked_at,
            unread=(*unread, *(Unread(each["region"], each["kind"], each["why"]) for each in lost)),
        )
        placed = self.place(picture) if self.wish.pictures != "none" else None
        if placed is not None:
            copy_or_link(file, image, self.tray.path(placed), link=self.wish.pictures == "link")
        return {**asdict(replace(picture, placed=placed)), "lost": lost, "sideways": sideways}

    def _exported_box(self, judged: ReviewedBox, image: Image) -> ExportedBox | None:
        """The box on the picture as it is now; None when it is no pixel of it."""
        inside, quad = judged.on(image.width, image.height)
        if inside is None:
            return None
        given = judged.label or judged.unlisted
        return ExportedBox(
            label=self._class(judged),
            given=None if given is None else clean(given),
            kind=judged.kind,
            verdict=judged.verdict,
            box=inside,
            quad=quad,
            origin=judged.origin,
            score=judged.score,
            region=clean(judged.region),
            annotation=judged.annotation,
            who=judged.who,
            at=judged.at,
            model_version=judged.model_version,
        )

    def _class(self, judged: ReviewedBox) -> str:
        """A box that nobody labelled is what the prompt looked for, where that is one thing only."""
        if judged.label is not None:
            return clean(judged.label)
        if judged.unlisted is not None:
            return UNLABELLED
        return clean(self.config.generic[0]) if len(self.config.generic) == 1 else UNLABELLED

    def is_there(self, entry: Json) -> bool:
        """Whether the copy is; one that was never wanted is."""
        return entry.get("placed") is None or self.tray.path(entry["placed"]).is_file()

    def count(self, entry: Json) -> None:
        """Add a picture, unless it is left out."""
        if "name" not in entry:
            return
        self.opened += 1
        self.rows += len(entry["boxes"])
        self.sideways += entry.get("sideways", 0)
        self.sides[entry["side"]] = self.sides.get(entry["side"], 0) + 1
        self.balance.add(entry["group"], entry["side"])
        self.unnamed = self.unnamed or any(each["label"] == UNLABELLED for each in entry["boxes"])


def _outside(judged: ReviewedBox) -> Json:
    """A box that only its picture told to lie outside, as a report lists it."""
    where = {"task": judged.task, "annotation": judged.annotation, "region": clean(judged.region)}
    return {**where, "kind": "under a pixel", "why": "a box under a pixel of the picture as it is now"}
