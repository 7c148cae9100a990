"""From annotated tasks to pictures with boxes, one at a time and resumable: the way that every format but crops begins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.atomic_output import OutputFolder, resumable_folder
from dinolabel.exporters.output.checkpoint import CheckpointLog, digest
from dinolabel.exporters.output.image_copies import copy_or_link, suffix_of
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.records import UNLABELLED, ExportedBox, ExportedImage, clean, original_name, read
from dinolabel.exporters.pipeline.region_frame import place_on_image
from dinolabel.exporters.pipeline.report import (
    ExportReport,
    NothingExported,
    ReportBuilder,
    boxes_to_export,
    is_negative,
    is_withheld,
    unread_of,
)
from dinolabel.exporters.safe_names import safe
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.url import brief
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import ReviewedBox
from dinolabel.vision.bundles.split import split_side
from dinolabel.vision.decoding.pictures import RULES, stored
from dinolabel.vision.errors import MediaError
from dinolabel.vision.types import Image

FORMAT = 1
MARK = "dinolabel.json"
SIDES = ("train", "val")

log = structlog.get_logger(__name__)
Json = Mapping[str, Any]
OpenImage = Callable[[Any], Image]
Find = Callable[[Any], Path]
Progress = Callable[[int, int], None]


Place = Callable[[ExportedImage], str | None]


class ExportContext(TypedDict, total=False):
    """What every format's `export` takes.

    open_image, find: from a task's picture address to its pixels and its file; they raise MediaError.
    xml: the label config as Label Studio has it. progress: called with tasks done and in all, 0 where that is not known.
    """

    open_image: Required[OpenImage]
    find: Required[Find]
    wish: ExportOptions
    generic_is_unknown: bool
    xml: str
    progress: Progress


@dataclass
class ImageCollection:
    """Pictures on disk, to be gone through as often as a format likes. classes: in the label config's order. tray: where files go."""

    journal: CheckpointLog
    tray: OutputFolder
    classes: tuple[str, ...]
    config: LabelConfig
    wish: ExportOptions
    report: ExportReport
    open_image: OpenImage

    def __iter__(self) -> Iterator[ExportedImage]:
        return (read(each) for each in self.journal if "name" in each)

    def on_side(self, wanted: str) -> Iterator[ExportedImage]:
        """Those of one side."""
        return (each for each in self if each.side == wanted)

    @property
    def sides(self) -> tuple[str, ...]:
        return SIDES if any(name in self.report.sides for name in SIDES) else ("all",)


@contextmanager
def collect_images(
    tasks: Iterable[Json],
    config: LabelConfig,
    out: Path,
    *,
    name: str,
    place: Place,
    **how: Unpack[ExportContext],
) -> Iterator[ImageCollection]:
    """Read every picture of `tasks`; the block writes the format into the tray, and `out` appears when it ends well.

    place: where a format wants a picture's copy, None for nowhere. A MediaError costs that picture only. Stopped and called again with
    the same choices, it goes on where it was. Raises ExportRefused when `out` holds other things, NothingExported when no picture could be
    had: an earlier export in `out` is left as it was.
    """
    wish, generic_is_unknown = how.get("wish", ExportOptions()), how.get("generic_is_unknown", False)
    terms = [FORMAT, RULES, name, asdict(wish), repr(config), generic_is_unknown]
    with resumable_folder(out, name=name) as (folder, path), CheckpointLog(path, terms) as journal:
        gatherer = _Collector(config, wish, generic_is_unknown, journal, OutputFolder(folder), how["open_image"], how["find"], place)
        gatherer.collect(tasks, how.get("progress", lambda done, total: None))
        found = gatherer.result()
        if found.report.failed and not found.report.sides:
            shutil.rmtree(path.parent, ignore_errors=True)  # nothing in it is worth going on with
            raise NothingExported(found.report)
        yield found
        _card(found, name)
        found.tray.tidy()
    log.info("exported", format=name, images=found.report.images, boxes=found.report.rows, failed=len(found.report.failed))


@dataclass
class _Collector:
    config: LabelConfig
    wish: ExportOptions
    generic_is_unknown: bool
    journal: CheckpointLog
    tray: OutputFolder
    open_image: OpenImage
    find: Find
    place: Place
    rows: int = 0
    sideways: int = 0
    unnamed: bool = False
    failed: list[Json] = field(default_factory=list)
    sides: dict[str, int] = field(default_factory=dict)

    def collect(self, tasks: Iterable[Json], progress: Progress) -> None:
        self.tally = ReportBuilder(self.config.learnt, self.wish.unverified)
        for done, task in enumerate(readable_tasks(tasks, self.failed)):
            progress(done, 0)
            self.add_task(task)

    def add_task(self, task: Json) -> None:
        """Note the picture of one task, when it has boxes that leave, or people said that it has none."""
        review = review_by_policy(task, self.config, annotators=self.wish.annotators, generic_is_unknown=self.generic_is_unknown)
        boxes, negative = boxes_to_export(review, self.wish), is_negative(review, self.wish)
        if is_withheld(review, self.wish) or not (boxes or negative):
            self.tally.add(review, negative=False, left_out=is_withheld(review, self.wish))
            return
        unread = unread_of(review, unverified=self.wish.unverified)
        key, stamp = str(task["id"]), digest([task.get("data"), boxes, review.answers, unread])
        entry = self.journal.lookup(key, stamp, fits=self._still_there)
        if entry is None:
            entry = self._entry(task, boxes, looked_at=review.answers > 0, unread=unread)
            self.journal.append(key, stamp, entry)
        self.tally.add(review, negative=negative, left_out="left_out" in entry, lost=entry.get("lost", ()))
        self._count(entry)

    def result(self) -> ImageCollection:
        labels = tuple(map(clean, self.config.labels))
        classes = (*labels, *([UNLABELLED] if self.unnamed and UNLABELLED not in labels else []))
        report = self.tally.report(rows=self.rows, failed=tuple(self.failed), sides=self.sides, sideways=self.sideways)
        return ImageCollection(self.journal, self.tray, classes, self.config, self.wish, report, self.open_image)

    def _entry(self, task: Json, boxes: list[ReviewedBox], **doubts: Any) -> dict[str, Any]:
        """doubts: looked_at and unread, as pictures have them."""
        try:
            return self._picture(task, boxes, **doubts)
        except MediaError as error:
            log.warning("picture_failed", task=task["id"], error=type(error).__name__, why=str(error))
            why = {"task": task["id"], "error": type(error).__name__, "why": str(error), "hint": error.hint, "boxes": len(boxes)}
            return {"failed": why}

    def _picture(self, task: Json, boxes: list[ReviewedBox], *, looked_at: bool, unread: tuple[Unread, ...]) -> dict[str, Any]:
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
            name=f"{task['id']}-{safe(stem)}{suffix_of(file)}",
            sha256=image.sha256,
            width=image.width,
            height=image.height,
            group=clean(group),
            side=("val" if split_side(group) == "held_out" else "train") if self.wish.split else "all",
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
        return ExportedBox(
            label=self._class(judged.label),
            given=None if judged.label is None else clean(judged.label),
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

    def _class(self, label: str | None) -> str:
        """A box that nobody labelled is what the prompt looked for, where that is one thing only."""
        if label is not None:
            return clean(label)
        return clean(self.config.generic[0]) if len(self.config.generic) == 1 else UNLABELLED

    def _still_there(self, entry: Json) -> bool:
        """A picture that failed is tried again."""
        return "failed" not in entry and (entry.get("placed") is None or self.tray.path(entry["placed"]).is_file())

    def _count(self, entry: Json) -> None:
        if "failed" in entry:
            self.failed.append(entry["failed"])
        if "name" not in entry:
            return
        self.rows += len(entry["boxes"])
        self.sideways += entry.get("sideways", 0)
        self.sides[entry["side"]] = self.sides.get(entry["side"], 0) + 1
        self.unnamed = self.unnamed or any(each["label"] == UNLABELLED for each in entry["boxes"])


def _outside(judged: ReviewedBox) -> Json:
    """A box that only its picture told to lie outside, as a report lists it."""
    where = {"task": judged.task, "annotation": judged.annotation, "region": clean(judged.region)}
    return {**where, "kind": "under a pixel", "why": "a box under a pixel of the picture as it is now"}


def _card(found: ImageCollection, name: str) -> None:
    card = {"format": name, "version": FORMAT, "classes": found.classes, "report": asdict(found.report)}
    found.tray.path(MARK).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
