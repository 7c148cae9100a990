"""Every decided box as a picture of its own, and one manifest row for each: what training reads.

Knows boxes, crops and files; what is learnt from them is training's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import PIL.Image
import structlog

from exporters.approved import Selection, approved
from exporters.foldernames import folder_names, safe
from exporters.whole import whole
from studio.label_config import LabelConfig
from studio.tasks import Judged
from vision.cropping import cut
from vision.errors import MediaError
from vision.types import Box, CropPolicy, Image, Pixels

FORMAT = 1
MANIFEST = "manifest.jsonl"
SUMMARY = "report.json"
COMPRESSION = 1  # of PNG: lossless all the same, and five times faster than the default for a few per cent of disk

log = structlog.get_logger(__name__)
OpenImage = Callable[[Any], Image]


@dataclass(frozen=True)
class Report:
    """Counts of decided boxes (not of rows: an object may have two views), and what was left out, by name.

    failed: pictures that could not be opened, with the boxes that cost. outside: boxes with less than a pixel inside their picture.
    """

    approved: Mapping[str, int]
    generic: int
    unknown: int
    unlabelled: int
    rejected: int
    unverified: int
    skipped: int
    images: int
    conflicts: tuple[Mapping[str, Any], ...] = ()
    rows: int = 0
    outside: int = 0
    failed: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, selection: Selection) -> Report:
        """What an export of this selection would count, before any picture is opened."""
        return cls(
            approved=selection.approved,
            generic=selection.count("approved", "generic"),
            unknown=selection.count("approved", "unknown"),
            unlabelled=selection.count("approved", "unlabelled"),
            rejected=selection.count("rejected"),
            unverified=selection.count("unverified"),
            skipped=selection.skipped,
            images=len(selection.by_task),
            conflicts=tuple({"task": each.task, "annotations": each.annotations, "labels": each.labels} for each in selection.conflicts),
        )


def export(
    tasks: Iterable[Mapping[str, Any]],
    config: LabelConfig,
    out: Path,
    *,
    open_image: OpenImage,
    policy: CropPolicy | None = None,
    generic_is_unknown: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Write crops, manifest.jsonl and report.json into `out`, all or nothing; an earlier export there is replaced when this one is whole.

    tasks: Label Studio's JSON export. open_image: from what the task's picture key holds to an Image; a MediaError costs that one only.
    progress: called with pictures done and in all. Raises ExportRefused when `out` holds other things.
    """
    selection = approved(tasks, config, generic_is_unknown=generic_is_unknown)
    folders = folder_names(each.label for each in selection.judged if each.kind == "named" and each.label)
    with whole(out, mark=MANIFEST) as folder, (folder / MANIFEST).open("w", encoding="utf-8", newline="\n") as manifest:
        writer = _Writer(folder, policy or CropPolicy(), folders)
        for done, (task, judged) in enumerate(selection.by_task.items()):
            progress(done, len(selection.by_task))
            for row in _rows_of_picture(selection.data[task].get(config.data_key), judged, open_image=open_image, writer=writer):
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
                writer.rows += 1
        progress(len(selection.by_task), len(selection.by_task))
        report = replace(Report.of(selection), rows=writer.rows, outside=writer.outside, failed=tuple(writer.failed))
        (folder / SUMMARY).write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("crops_exported", rows=report.rows, images=report.images, failed=len(report.failed), conflicts=len(report.conflicts))
    return report


@dataclass
class _Writer:
    """Where crops go, and what happened on the way. taken: paths in use, as a file system sees them that does not heed case."""

    folder: Path
    policy: CropPolicy
    folders: Mapping[str, str]
    rows: int = 0
    outside: int = 0
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def path(self, judged: Judged, view: str) -> str:
        """Relative path of a crop that no other has."""
        stem = f"{self.place(judged)}/{judged.task}-{safe(judged.region)}"
        tail = ".detector.png" if view == "detector" and judged.verdict == "approved" else ".png"
        candidates = (f"{stem}{part}{tail}" for part in ("", *(f"-{judged.annotation}{'_' * more}" for more in range(len(self.taken) + 1))))
        free = next(each for each in candidates if each.casefold() not in self.taken)
        self.taken.add(free.casefold())
        return free

    def place(self, judged: Judged) -> str:
        if judged.verdict != "approved":
            return judged.verdict
        return f"crops/{self.folders[judged.label]}" if judged.kind == "named" and judged.label else judged.kind

    def cut(self, pixels: Pixels, box: Box, path: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(cut(pixels, box, self.policy).pixels).save(file, format="PNG", compress_level=COMPRESSION)


def _rows_of_picture(value: Any, judged: list[Judged], *, open_image: OpenImage, writer: _Writer) -> Iterator[dict[str, Any]]:
    """Cut all boxes of one picture; a picture that cannot be had is noted and gives no row."""
    try:
        if value is None:
            raise MediaError("The task has no picture.", hint="Its data lacks the key that the label config shows.")
        image = open_image(value)
        pixels = image.pixels
    except MediaError as error:
        log.warning("picture_failed", task=judged[0].task, error=type(error).__name__, why=str(error))
        failure = {"task": judged[0].task, "error": type(error).__name__, "why": str(error), "hint": error.hint, "boxes": len(judged)}
        writer.failed.append(failure)
        return
    for each in judged:
        for view, box in _views(each, image):
            if box is None:
                writer.outside += 1
                continue
            path = writer.path(each, view)
            writer.cut(pixels, box, path)
            yield _row(each, image, box, view=view, path=path, policy=writer.policy)


def _views(judged: Judged, image: Image) -> Iterator[tuple[str, Box | None]]:
    """The decided box, and for an approved object the detector's own where it is another one: what will be cut in service."""
    first = _on(image, judged.box, judged)
    yield "person" if judged.verdict == "approved" else "detector", first
    if judged.verdict == "approved" and judged.predicted is not None:
        second = _on(image, judged.predicted, judged)
        if first is not None and second is not None and second != first:
            yield "detector", second


def _on(image: Image, box: Box, judged: Judged) -> Box | None:
    """The box on the picture as it is now: boxes are stored as shares of it, whatever size was written beside them."""
    across, down = image.width / judged.width, image.height / judged.height
    inside = Box(box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down).clipped(image.width, image.height)
    return None if inside is None else inside.quantised()


def _row(judged: Judged, image: Image, box: Box, *, view: str, path: str, policy: CropPolicy) -> dict[str, Any]:
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
        "group": image.sha256,
        "view": view,
        "at": judged.at,
        "model_version": judged.model_version,
        "policy": asdict(policy),
    }
