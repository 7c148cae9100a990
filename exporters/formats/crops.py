"""Every decided box as a picture of its own, and one manifest row for each: what training reads."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any, Unpack

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.atomic_output import OutputFolder, resumable_folder
from dinolabel.exporters.output.checkpoint import CheckpointLog, digest
from dinolabel.exporters.output.crop_manifest import save, write_lists
from dinolabel.exporters.pipeline.collect import ExportContext, Find, OpenImage
from dinolabel.exporters.pipeline.region_frame import place_on_image
from dinolabel.exporters.pipeline.report import DISAGREE, ExportReport, NothingExported, small
from dinolabel.exporters.pipeline.selection import ReviewedSelection, select_reviewed
from dinolabel.exporters.safe_names import folder_names, safe
from dinolabel.exporters.unlisted_files import CROPS
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.media.picture_key import address_at
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.decisions import ReviewedBox
from dinolabel.vision.decoding.pictures import RULES, stored
from dinolabel.vision.errors import MediaError
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, CropPolicy, Image

FORMAT = 1
OUR_GROUP, OUR_SPLIT = "dinolabel_group", "dinolabel_split"  # keys of a task's data: what a frame of a video must stay with, and its side
SPLITS = ("train", "held_out")
SUMMARY = "report.json"

log = structlog.get_logger(__name__)


def count_selection(selection: ReviewedSelection) -> ExportReport:
    """What an export of this selection would count, before any picture is opened."""
    disagree = sum(each.region is None for each in selection.conflicts)
    unread = tuple(each.facts for each in selection.unread)
    return ExportReport(
        approved=selection.approved,
        generic=selection.count("approved", "generic"),
        unknown=selection.count("approved", "unknown"),
        unlabelled=selection.count("approved", "unlabelled"),
        rejected=selection.count("rejected"),
        unverified=selection.count("unverified"),
        skipped=selection.skipped,
        failed=selection.failed,
        images=len(selection.by_task),
        conflicts=tuple(each.facts for each in selection.conflicts),
        outside=small(unread),
        undecided=selection.undecided,
        unread=unread,
        kinds=dict(Counter([each["kind"] for each in unread] + [DISAGREE] * disagree).most_common()),
    )


def export(
    tasks: Iterable[Mapping[str, Any]],
    config: LabelConfig,
    out: Path,
    *,
    policy: CropPolicy | None = None,
    **how: Unpack[ExportContext],
) -> ExportReport:
    """Write crops, manifest.jsonl and report.json into `out`, all or nothing; an earlier export there is replaced when this one is whole.

    tasks: Label Studio's JSON export. A MediaError costs its picture only. crops/ with its metadata.jsonl is a folder of pictures as
    Hugging Face and torchvision read it. Raises ExportRefused when `out` holds other things, NothingExported when no picture could
    be had: an earlier export in `out` is left as it was.
    """
    wish, policy, progress = how.get("wish", ExportOptions()), policy or CropPolicy(), how.get("progress", lambda done, total: None)
    selection = select_reviewed(tasks, config, generic_is_unknown=how.get("generic_is_unknown", False), annotators=wish.annotators)
    folders = folder_names(each.label for each in selection.boxes if each.kind == "named" and each.label)
    terms = [FORMAT, RULES, asdict(policy), folders, wish.group_by]
    with resumable_folder(out, name=CROPS) as (folder, path), CheckpointLog(path, terms) as journal:
        writer = _CropWriter(OutputFolder(folder), policy, folders, how["open_image"], how.get("find"), wish.group_by)
        for done, (task, judged) in enumerate(selection.by_task.items()):
            progress(done, len(selection.by_task))
            writer.picture(selection.data[task], config.data_key, judged, journal, selection.doubts.get(task, ()))
        progress(len(selection.by_task), len(selection.by_task))
        told = count_selection(selection)
        outside, failed = told.outside + writer.outside, (*selection.failed, *writer.failed)
        report = replace(told, rows=writer.rows, outside=outside, failed=failed, sideways=writer.sideways)
        if report.failed and not writer.opened:
            shutil.rmtree(path.parent, ignore_errors=True)  # nothing in it is worth going on with
            raise NothingExported(report)
        write_lists(journal, writer.tray)
        writer.tray.path(SUMMARY).write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        writer.tray.tidy()
    log.info("crops_exported", rows=report.rows, images=report.images, failed=len(report.failed), conflicts=len(report.conflicts))
    return report


@dataclass
class _CropWriter:
    """Where crops go, and what happened on the way. taken: paths in use, as a file system sees them that does not heed case."""

    tray: OutputFolder
    policy: CropPolicy
    folders: Mapping[str, str]
    open_image: OpenImage
    find: Find | None
    group_by: str | None = None
    opened: int = 0
    rows: int = 0
    outside: int = 0
    sideways: int = 0
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    turned: bool = False

    def picture(
        self, data: Mapping[str, Any], key: str, judged: list[ReviewedBox], journal: CheckpointLog, doubts: tuple[Unread, ...] = ()
    ) -> None:
        """Cut all boxes of one picture, unless an earlier run did; a picture that cannot be had is noted and gives no row. doubts: why it
        is undecided, which its rows remember."""
        name, stamp = str(judged[0].task), digest([data, judged, *doubts])
        entry = journal.lookup(name, stamp, fits=lambda found: all(self.tray.path(row["crop"]).is_file() for row in found["rows"]))
        if entry is None:
            before, self.turned = self.outside, False
            try:
                unread = {"unread": [asdict(each) for each in doubts]} if doubts else {}
                rows = [row | unread for row in self._cut(data, key, judged)]
            except MediaError as error:
                log.warning("picture_failed", task=judged[0].task, error=type(error).__name__, why=str(error))
                failure = {"task": judged[0].task, "error": type(error).__name__, "why": str(error), "hint": error.hint}
                self.failed.append(failure | {"boxes": len(judged)})
                return
            entry = {"rows": rows, "outside": self.outside - before, "sideways": self.turned}
            journal.append(name, stamp, entry)
        else:
            self.outside += entry["outside"]
            self.taken.update(row["crop"].casefold() for row in entry["rows"])
        self.opened += 1
        self.rows += len(entry["rows"])
        self.sideways += entry.get("sideways", 0)

    def _cut(self, data: Mapping[str, Any], key: str, judged: list[ReviewedBox]) -> Iterator[dict[str, Any]]:
        address = address_at(data, key)
        image = self.open_image(address)
        judged, self.turned = place_on_image(judged, image, lambda: self._turn(address))
        pixels = image.pixels
        by, split = data.get(self.group_by or OUR_GROUP), data.get(OUR_SPLIT)
        for each in judged:
            for view, box in _views(each, image):
                if box is None:
                    self.outside += 1
                    continue
                path = self._path(each, view)
                save(cut(pixels, box, self.policy).pixels, self.tray.path(path))
                group = image.sha256 if by is None else str(by)
                row = _row(each, image, box, view=view, path=path, policy=self.policy, group=group)
                yield {**row, "split": split} if split in SPLITS else row

    def _turn(self, address: Any) -> int:
        return 1 if self.find is None else stored(self.find(address)).turn

    def _path(self, judged: ReviewedBox, view: str) -> str:
        """Relative path of a crop that no other has."""
        stem = f"{self._place(judged)}/{judged.task}-{safe(judged.region)}"
        tail = ".detector.png" if view == "detector" and judged.verdict == "approved" else ".png"
        parts = chain([""], (f"-{judged.annotation}{'_' * more}" for more in count()))  # lazily: nearly always the first is free
        candidates = (f"{stem}{part}{tail}" for part in parts)
        free = next(each for each in candidates if each.casefold() not in self.taken)
        self.taken.add(free.casefold())
        return free

    def _place(self, judged: ReviewedBox) -> str:
        if judged.verdict != "approved":
            return judged.verdict
        return f"crops/{self.folders[judged.label]}" if judged.kind == "named" and judged.label else judged.kind


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
