"""Every decided box as a picture of its own, and one manifest row for each: what training reads.

`crops/train/NAME/`, `crops/val/NAME/` hold one picture of each named object, as people decided it; second views lie in `detector/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.crop_manifest import file_names, layout_of, place_in_lists, save, write_lists
from dinolabel.exporters.pipeline.collection import ExportContext, Find, Json
from dinolabel.exporters.pipeline.collector import TaskCollector, collect
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.region_frame import place_on_image
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.exporters.pipeline.sides import side_of
from dinolabel.exporters.safe_names import folder_names
from dinolabel.exporters.unlisted_files import CROPS
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.picture_key import address_at
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import Review, ReviewedBox
from dinolabel.vision.decoding.pictures import RULES, stored
from dinolabel.vision.images.crop_id import CropId
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, CropPolicy, Image

FORMAT = 1
OUR_GROUP, OUR_SPLIT = "dinolabel_group", "dinolabel_split"  # keys of a task's data: what a frame of a video must stay with, and its side
SPLITS = {"train": "train", "held_out": "val"}
SUMMARY = "report.json"
FLAT = "flat"

log = structlog.get_logger(__name__)


def export(
    tasks: Iterable[Json],
    config: LabelConfig,
    out: Path,
    *,
    policy: CropPolicy | None = None,
    **how: Unpack[ExportContext],
) -> ExportReport:
    """Write crops, manifest.jsonl and report.json into `out`, all or nothing; an earlier export there is replaced when this one is whole.

    tasks: Label Studio's JSON export, gone through twice. A MediaError costs its picture only. crops/ is a folder of pictures as Hugging
    Face, torchvision and ultralytics read it; a folder that began without sides goes on so. Boxes that nobody looked at are always there,
    apart. Raises ExportRefused when `out` holds other things, and what dinolabel.exporters.pipeline.refusals has: an earlier export in
    `out` is left as it was. policy: of the embedder that will look at them, which report.json names where the project
    chose one.
    """
    wish, policy, progress = how.get("wish", ExportOptions()), policy or CropPolicy(), how.get("progress", lambda done, total: None)
    wish = replace(wish, unverified=False)
    tasks = list(tasks) if isinstance(tasks, Iterator) else tasks
    layout = wish.layout or layout_of(out)
    common: Any = {"config": config, "wish": wish, "generic_is_unknown": how.get("generic_is_unknown", False)}
    folders, total = _folders(tasks, **common)
    terms = [FORMAT, RULES, asdict(policy), folders, wish.group_by, *([] if layout == FLAT else [layout])]
    common |= {"open_image": how["open_image"], "find": how.get("find"), "policy": policy, "folders": folders, "flat": layout == FLAT}
    with collect(
        lambda journal, tray: _CropCollector(**common, journal=journal, tray=tray),
        out,
        name=CROPS,
        terms=terms,
        run=lambda collector: collector.collect(tasks, progress, total),
    ) as collector:
        report = collector.report()
        write_lists(collector.lines(), collector.tray, out, flat=layout == FLAT)
        summary = asdict(report) | ({"embedder": config.embedder} if config.embedder else {})
        collector.tray.path(SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("crops_exported", rows=report.rows, images=report.images, failed=len(report.failed), conflicts=len(report.conflicts))
    return report


def _folders(tasks: Iterable[Json], config: LabelConfig, wish: ExportOptions, *, generic_is_unknown: bool) -> tuple[dict[str, str], int]:
    """A folder for each name that has a box, and how many tasks can be read."""
    names: dict[str, None] = {}
    readable = 0
    for task in readable_tasks(tasks, []):
        readable += 1
        review = review_by_policy(task, config, annotators=wish.annotators, generic_is_unknown=generic_is_unknown)
        names |= dict.fromkeys(each.label for each in review.boxes if each.kind == "named" and each.label)
    return folder_names(names), readable


@dataclass(kw_only=True)
class _CropCollector(TaskCollector):
    """Cuts all boxes of a picture, deleted ones too. taken: paths in use, as a file system sees them that does not heed case."""

    find: Find | None
    policy: CropPolicy
    folders: Mapping[str, str]
    flat: bool
    taken: set[str] = field(default_factory=set)

    def leaving(self, review: Review) -> tuple[Sequence[ReviewedBox], bool, bool]:
        """All that was decided. What is not there is no row, so a picture says nothing of the rest of it."""
        return sorted(review.boxes, key=lambda each: (each.annotation, each.region)), False, False

    def entry(self, task: Json, boxes: Sequence[ReviewedBox], *, looked_at: bool, unread: tuple[Unread, ...]) -> dict[str, Any]:
        """The rows of a picture's crops; each remembers why the picture is undecided, if it is."""
        data = task.get("data") or {}
        address = address_at(data, self.config.data_key)
        image = self.open_image(address)
        placed, sideways = place_on_image(boxes, image, lambda: 1 if self.find is None else stored(self.find(address)).turn)
        by, split = data.get(self.wish.group_by or OUR_GROUP), data.get(OUR_SPLIT)
        facts: Any = {"group": image.sha256 if by is None else str(by), "split": split if split in SPLITS else None}
        doubts = {"unread": [asdict(each) for each in unread]} if unread else {}
        views = [(each, view, box) for each in placed for view, box in _views(each, image)]
        rows = [self._cut(each, image, box, view=view, **facts) | doubts for each, view, box in views if box is not None]
        return {"rows": rows, "outside": len(views) - len(rows), "sideways": sideways}

    def is_there(self, entry: Json) -> bool:
        """Whether every crop is."""
        return all(self.tray.path(row["crop"]).is_file() for row in entry["rows"])

    def count(self, entry: Json) -> None:
        """Add the crops of a picture."""
        self.opened += 1
        self.rows += len(entry["rows"])
        self.outside += entry["outside"]
        self.sideways += entry.get("sideways", 0)
        self.taken.update(row["crop"].casefold() for row in entry["rows"])
        for row in entry["rows"]:
            if place_in_lists(row["crop"]) and not self.flat:
                self.balance.add(row["group"], SPLITS.get(row.get("split"), side_of(row["group"])), chosen=bool(row.get("split")))

    def lines(self) -> Iterator[Json]:
        """The manifest's rows, by task; crops of a group that changes sides are brought there first."""
        moved = {} if self.flat else self.balance.moved()
        self.journal.sort(int)
        for entry in self.journal:
            for row in entry.get("rows", ()):
                side = None if row.get("split") else moved.get(row["group"])
                if side and (place := place_in_lists(row["crop"])) and place.side != side:
                    to = place.on(side)
                    self.tray.move(row["crop"], to)
                    row = {**row, "crop": to}
                yield row

    def _cut(self, judged: ReviewedBox, image: Image, box: Box, *, view: str, group: str, split: str | None) -> dict[str, Any]:
        path = self._path(judged, view, side=SPLITS.get(split or "", side_of(group)))
        save(cut(image.pixels, box, self.policy).pixels, self.tray.path(path))
        row = _row(judged, image, box, view=view, path=path, policy=self.policy, group=group)
        return {**row, "split": split} if split else row

    def _path(self, judged: ReviewedBox, view: str, *, side: str) -> str:
        """Relative path of a crop that no other has."""
        place, crop = self._place(judged, view, side), CropId(judged.task, judged.annotation, judged.region, view)
        suffix = ".detector.png" if view == "detector" and judged.verdict == "approved" else ".png"
        candidates = (f"{place}/{name}" for name in file_names(crop, suffix))
        free = next(each for each in candidates if each.casefold() not in self.taken)
        self.taken.add(free.casefold())
        return free

    def _place(self, judged: ReviewedBox, view: str, side: str) -> str:
        if judged.verdict != "approved":
            return judged.verdict
        if judged.kind != "named" or not judged.label:
            return judged.kind
        folder = self.folders[judged.label]
        if self.flat:
            return f"crops/{folder}"
        return f"crops/{side}/{folder}" if view == "person" else f"detector/{folder}"


def _views(judged: ReviewedBox, image: Image) -> Iterator[tuple[str, Box | None]]:
    """The decided box, and for an approved object the detector's own where it is another one: what will be cut in service."""
    first = _quantised(judged.on(image.width, image.height)[0])
    yield "person" if judged.verdict == "approved" else "detector", first
    if judged.verdict == "approved" and judged.predicted is not None:
        second = _quantised(judged.predicted_on(image.width, image.height))
        if first is not None and second is not None and second != first:
            yield "detector", second


def _quantised(box: Box | None) -> Box | None:
    return None if box is None else box.quantise()


def _row(judged: ReviewedBox, image: Image, box: Box, *, view: str, path: str, policy: CropPolicy, group: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "crop": path,
        "task": judged.task,
        "annotation": judged.annotation,
        "region": judged.region,
        "box": list(box.xyxy),
        "image": image.sha256,
        "frame": image.frame,
        "width": image.width,
        "height": image.height,
        "verdict": judged.verdict,
        "kind": judged.kind,
        "label": judged.label,
        "who": judged.who,
        "group": group,
        "view": view,
        "at": judged.at,
        "model_version": judged.model_version,
        "policy": asdict(policy),
        **({"quad": _corners(judged, image)} if judged.quad and view == "person" else {}),
        **({"decoding": image.decoding} if image.decoding else {}),
    }


def _corners(judged: ReviewedBox, image: Image) -> list[list[float]]:
    """Of a rotated box, on the picture as it is now; not clipped."""
    across, down = image.width / judged.width, image.height / judged.height
    return [[x * across, y * down] for x, y in judged.quad or ()]
