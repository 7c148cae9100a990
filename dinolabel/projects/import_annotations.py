"""What `dinolabel import` says: what will come, what comes in part, and what does not come, each by name and with its reason.

Only words: it reads nothing and sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel.cli import console
from dinolabel.cli import text as words
from dinolabel.cli.plan import Plan

if TYPE_CHECKING:
    from dinolabel.exporters.importers.common.reading import ImportLog
    from dinolabel.exporters.importers.common.records import ImportedImage
    from dinolabel.exporters.importers.common.task_matching import TaskMatches

LISTED = 10


def check(arriving: Sequence[ImportedImage], reading: ImportLog, path: Path) -> None:
    """Raises ImportUnreadable when not one picture can come: that is no import of nothing."""
    from dinolabel.exporters.importers.common.records import ImportUnreadable

    if arriving:
        return
    first = reading.refused[:LISTED]
    reasons = "".join(f" {each.name}: {each.why}" for each in first)
    more = f" And {len(reading.refused) - LISTED} more." if len(reading.refused) > LISTED else ""
    hints = [each.hint for each in first if each.hint]
    said = f"{len(reading.refused)} refused.{reasons}{more}" if reading.refused else "it lists none."
    raise ImportUnreadable(f"0 pictures of {path} can be imported: {said}", hint=hints[0] if hints else None)


def plan(what: str, path: Path, where: str, found: TaskMatches, reading: ImportLog) -> Plan:
    """What will be sent, with counts of what will not."""
    from dinolabel.exporters.importers.common.annotation_results import kinds

    coming = _count_coming(found)
    boxes, partly = sum(len(each.boxes) for each in coming), _undecided(found)
    empty = [each for each in coming if not each.boxes and not each.unread]
    lines = [("from", f"{path} ({what})"), ("into", f"project {where}, as approved annotations")]
    lines += [("annotates", words.count_noun(len(found.found), "task that is there", "tasks that are there"))] if found.found else []
    lines += [("uploads", words.count_noun(len(found.new), "picture"))] if found.new else []
    lines += [("empty", f"{words.count_noun(len(empty), 'picture')}: nothing is in them, the data set says")] if empty else []
    lines += [("undecided", f"{words.count_noun(len(partly), 'picture')}: {kinds(partly)} could not be read")] if partly else []
    lines += [("refuses", words.count_noun(len(reading.refused), "picture"))] if reading.refused else []
    lines += [("note", _note_line(text, names)) for text, names in reading.notes.items()]
    left = [("leaves", words.count_noun(len(found.done), "task") + " that somebody answered already")] if found.done else []
    return Plan.of(f"Import {words.count_noun(boxes, 'box', 'boxes')}", lines, left)


def tell(found: TaskMatches, reading: ImportLog, made: int | None) -> None:
    """Each picture that does not come, or in part only, the first ten of a kind; then what was made, None where nothing was to be."""
    partly = _undecided(found)
    _list("undecided", [(each.name, _marks(each)) for each in partly if each.boxes])
    _list("nobody decided it; open it in Label Studio", [(each.name, _marks(each)) for each in partly if not each.boxes])
    _list("refused", [(each.name, f"{each.why} {each.hint}".strip()) for each in reading.refused])
    _list("no picture here and no task", [(each.name, "") for each in found.lost])
    _list("arrives twice", [(each.name, "") for each in found.twice])
    if made is not None:
        console.out.print(console.ok("Made"), f"{words.count_noun(made, 'annotation')}.")
    elif not (found.found or found.new):
        console.out.print(f"Nothing to import: {words.count_noun(len(found.done), 'picture')} annotated already.")


def _count_coming(found: TaskMatches) -> list[ImportedImage]:
    return [*(each for each, _ in found.found), *found.new]


def _undecided(found: TaskMatches) -> list[ImportedImage]:
    return [each for each in _count_coming(found) if each.unread]


def _marks(each: ImportedImage) -> str:
    first = "; ".join(f"{mark.region}: {mark.why}" for mark in each.unread[:3])
    return first + (f"; and {len(each.unread) - 3} more" if len(each.unread) > 3 else "")


def _note_line(text: str, names: Sequence[str]) -> str:
    return f"{words.count_noun(len(names), 'picture')}: {text}" if names else text


def _list(title: str, entries: Sequence[tuple[str, str]]) -> None:
    for name, why in entries[:LISTED]:
        console.out.print(console.warn(title), f" {name}{': ' + why if why else ''}", soft_wrap=True)
    if len(entries) > LISTED:
        console.out.print(console.warn(title), f" and {len(entries) - LISTED} more")
