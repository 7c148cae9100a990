"""Ends an export before it replaces anything: where no picture could be had, nothing is approved, or an earlier export holds more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinolabel.exporters.output.crop_manifest import MANIFEST
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.exporters.unlisted_files import CARD, OLD_CARD, rows
from dinolabel.vision.errors import MediaError, RequestError
from dinolabel.vision.storage.json_text import parse_json

TASKS = "tasks"
"""Key of a card: the numbers of the tasks whose pictures are in the export, as first and last of each run of them."""


class NothingExported(MediaError):
    """No picture could be had, so nothing was written. report: what was counted, and why each failed."""

    def __init__(self, report: ExportReport) -> None:
        first = report.failed[0]
        number = len(report.failed)
        told = "The one picture of this export" if number == 1 else f"None of the {number:,} pictures of this export"
        same = all(each["why"] == first["why"] for each in report.failed)
        why = first["why"] if same else f"{first['why']} (task {first['task']})"
        super().__init__(f"{told} could{' not' * (number == 1)} be had, so nothing was written: {why}", hint=first["hint"])
        self.report = report


class NothingApproved(RequestError):
    """Nobody approved anything that this export would hold, so nothing was written. report: what was counted."""

    def __init__(self, report: ExportReport) -> None:
        others = {
            "box that nobody looked at": report.unverified,
            "skipped annotation": report.skipped,
            "undecided picture": report.undecided,
        }
        there = ", ".join(f"{number:,} x {name}" for name, number in others.items() if number)
        hint = "Submit annotations in Label Studio first."
        if report.undecided:
            hint = "Add --undecided for the boxes of undecided pictures, or draw as boxes what was marked in another way."
        elif report.unverified:
            hint = "Look at those boxes in Label Studio and submit them, or add --unverified."
        super().__init__(f"Nobody approved a box or an empty picture{f' ({there})' if there else ''}, so nothing was written.", hint=hint)
        self.report = report


class EarlierExportHoldsMore(MediaError):
    """Pictures that an earlier export in the folder holds could not be had now: it was left as it was. report: what was counted."""

    def __init__(self, report: ExportReport, folder: Path, lost: int) -> None:
        first = report.failed[0]
        why = f"{first['why']} (task {first['task']})"
        told = "A picture" if lost == 1 else f"{lost:,} pictures"
        super().__init__(
            f"{told} of the earlier export in {folder} could not be had now, so it was left as it was: {why}",
            hint="Give the pictures back and run the same command again; or add --allow-missing, to go on with what is there.",
        )
        self.report = report


REFUSALS = (NothingExported, NothingApproved, EarlierExportHoldsMore)


def refuse_nothing(report: ExportReport, *, rejected: bool, unverified: bool) -> None:
    """Before anything is written: where nobody decided anything that would leave. Undecided pictures are said, and are something.

    rejected, unverified: whether such boxes leave too. Raises NothingApproved.
    """
    boxes = sum(report.approved.values()) + report.generic + report.unknown + report.unlabelled
    others = report.rejected * rejected + report.unverified * unverified
    if not (boxes or others or report.negatives or report.undecided or report.failed):
        raise NothingApproved(report)


def refuse_loss(report: ExportReport, pictures: int, out: Path, *, allow_missing: bool) -> None:
    """Before an export takes the place of an earlier one. pictures: how many it holds.

    Raises NothingExported, NothingApproved, EarlierExportHoldsMore. A picture that the earlier one lacked too is no reason.
    """
    if not pictures and report.failed:
        raise NothingExported(report)
    before = _EarlierExport.of(out)
    if not pictures and before.pictures:
        raise NothingApproved(report)
    if report.failed and not allow_missing and (lost := before.lost(report, pictures)):
        raise EarlierExportHoldsMore(report, out, lost)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as first and last of each run without a gap."""
    found: list[tuple[int, int]] = []
    for each in sorted(set(numbers)):
        if found and each == found[-1][1] + 1:
            found[-1] = (found[-1][0], each)
        else:
            found.append((each, each))
    return found


@dataclass(frozen=True)
class _EarlierExport:
    """What an export in a folder holds. tasks: None for one from before they were noted. lacked: tasks that failed then."""

    pictures: int
    tasks: frozenset[int] | None
    lacked: frozenset[Any]

    @classmethod
    def of(cls, folder: Path) -> _EarlierExport:
        card = _card(folder)
        said = card.get("report")
        report = said if isinstance(said, dict) else {}
        if (folder / MANIFEST).is_file() or TASKS in card:
            listed = _expanded(card[TASKS]) if TASKS in card else (row.get("task") for row in rows(folder / MANIFEST))
            tasks = frozenset(each for each in listed if isinstance(each, int))
            return cls(len(tasks), tasks, frozenset())
        sides = report.get("sides")
        pictures = sum(sides.values()) if isinstance(sides, dict) and sides else int(report.get("images") or 0)
        return cls(pictures, None, frozenset(each.get("task") for each in report.get("failed") or () if isinstance(each, dict)))

    def lost(self, report: ExportReport, pictures: int) -> int:
        """How many of its pictures an export of so many cannot have."""
        failed = {each["task"] for each in report.failed}
        return len(failed & self.tasks) if self.tasks is not None else min(len(failed - self.lacked), max(0, self.pictures - pictures))


def _card(folder: Path) -> dict[str, Any]:
    for name in (CARD, OLD_CARD):
        with suppress(OSError, ValueError):
            card = parse_json((folder / name).read_text(encoding="utf-8"))
            if isinstance(card, dict):
                return card
    return {}


def _expanded(listed: Any) -> Iterator[int]:
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, list) and len(each) == 2 and all(isinstance(number, int) for number in each):
            yield from range(each[0], each[1] + 1)
