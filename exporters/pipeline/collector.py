"""The road from annotated tasks to files, one task at a time and resumable: every format goes along it, crops too."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output.atomic_output import OutputFolder, resumable_folder
from dinolabel.exporters.output.checkpoint import CheckpointLog, digest
from dinolabel.exporters.pipeline.collection import Json, OpenImage, Progress
from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks
from dinolabel.exporters.pipeline.refusals import EarlierExportHoldsMore, refuse_loss
from dinolabel.exporters.pipeline.report import ExportReport, ReportBuilder, boxes_to_export, is_negative, is_withheld, unread_of
from dinolabel.exporters.pipeline.sides import SideBalance
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.regions.unread import Unread
from dinolabel.studio.reviews.annotator_policy import review_by_policy
from dinolabel.studio.reviews.decisions import Review, ReviewedBox
from dinolabel.vision.errors import DinolabelError, MediaError

log = structlog.get_logger(__name__)
C = TypeVar("C", bound="TaskCollector")


@dataclass(kw_only=True)
class TaskCollector(ABC):
    """Reads each task once, and notes in the journal what its picture gives, unless an earlier run did.

    opened: pictures that gave something. rows: what was written, in the format's own unit.
    outside: boxes that only their picture told to lie outside. unreadable: tasks, and failed: pictures that cost nothing else.
    """

    config: LabelConfig
    wish: ExportOptions
    generic_is_unknown: bool
    journal: CheckpointLog
    tray: OutputFolder
    open_image: OpenImage
    opened: int = 0
    rows: int = 0
    outside: int = 0
    sideways: int = 0
    unreadable: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)
    balance: SideBalance = field(default_factory=SideBalance)
    tally: ReportBuilder = field(init=False)

    def __post_init__(self) -> None:
        self.tally = ReportBuilder(self.config.learnt, self.wish.unverified)

    def collect(self, tasks: Iterable[Json], progress: Progress, total: int = 0) -> None:
        """Go through all tasks; those whose JSON cannot be read are noted as failed."""
        done = 0
        for task in readable_tasks(tasks, self.unreadable):
            progress(done, total)
            self.add_task(task)
            done += 1
        progress(done, total)

    def add_task(self, task: Json) -> None:
        """Note the picture of one task, when something of it leaves."""
        review = review_by_policy(task, self.config, annotators=self.wish.annotators, generic_is_unknown=self.generic_is_unknown)
        boxes, negative, withheld = self.leaving(review)
        if withheld or not (boxes or negative):
            self.tally.add(review, negative=False, left_out=withheld)
            return
        unread = unread_of(review, unverified=self.wish.unverified)
        key, stamp = str(task["id"]), digest([task.get("data"), boxes, review.answers, unread])
        entry = self.journal.lookup(key, stamp, fits=lambda found: "failed" not in found and self.is_there(found))
        if entry is None:
            entry = self._entry(task, boxes, looked_at=review.answers > 0, unread=unread)
            self.journal.append(key, stamp, entry)
        self.tally.add(review, negative=negative, left_out="left_out" in entry, lost=entry.get("lost", ()))
        if "failed" in entry:
            self.failed.append(entry["failed"])
        else:
            self.count(entry)

    def leaving(self, review: Review) -> tuple[Sequence[ReviewedBox], bool, bool]:
        """The boxes of a task that leave, whether people said that there are none, and whether its picture is left out as undecided."""
        return boxes_to_export(review, self.wish), is_negative(review, self.wish), is_withheld(review, self.wish)

    @abstractmethod
    def entry(self, task: Json, boxes: Sequence[ReviewedBox], *, looked_at: bool, unread: tuple[Unread, ...]) -> dict[str, Any]:
        """What the journal keeps of a picture, once its files are written. Raises MediaError."""

    @abstractmethod
    def is_there(self, entry: Json) -> bool:
        """Whether the files of an entry of an earlier run still are."""

    @abstractmethod
    def count(self, entry: Json) -> None:
        """Add an entry to the counts."""

    def report(self, **more: Any) -> ExportReport:
        """more: counts that only the format knows."""
        failed = (*self.unreadable, *sorted(self.failed, key=lambda each: int(each["task"])))
        return self.tally.report(rows=self.rows, outside=self.outside, failed=failed, sideways=self.sideways, **more)

    def _entry(self, task: Json, boxes: Sequence[ReviewedBox], **doubts: Any) -> dict[str, Any]:
        try:
            return self.entry(task, boxes, **doubts)
        except MediaError as error:
            log.warning("picture_failed", task=task["id"], error=type(error).__name__, why=str(error))
            why = {"task": task["id"], "error": type(error).__name__, "why": str(error), "hint": error.hint, "boxes": len(boxes)}
            return {"failed": why}


@contextmanager
def collect(make: Callable[[CheckpointLog, OutputFolder], C], out: Path, *, name: str, terms: Any, run: Callable[[C], None]) -> Iterator[C]:
    """A collector that has gone through the tasks; the block writes the format into its tray, and `out` appears when it ends well.

    make: the collector of a journal and a folder. terms: what decides what its entries say. run: lets it collect. Raises ExportRefused when
    `out` holds other things, and what dinolabel.exporters.pipeline.refusals has: an earlier export in `out` is left as it was.
    """
    with resumable_folder(out, name=name) as (folder, path), CheckpointLog(path, terms) as journal:
        collector = make(journal, OutputFolder(folder))
        run(collector)
        try:
            refuse_loss(collector.report(), collector.opened, out, allow_missing=collector.wish.allow_missing)
        except DinolabelError as error:
            if not isinstance(error, EarlierExportHoldsMore):
                shutil.rmtree(path.parent, ignore_errors=True)  # nothing in it is worth going on with
            raise
        yield collector
        collector.tray.tidy()
