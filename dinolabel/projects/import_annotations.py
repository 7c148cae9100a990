"""What `dinolabel import` says: what will come, what comes in part, and what does not come, each by name and with its reason.

Only words: it reads nothing and sends nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinolabel.cli import console, words
from dinolabel.cli.plan import Plan

if TYPE_CHECKING:
    from dinolabel.exporters.importers.common.reading import ImportLog
    from dinolabel.exporters.importers.common.records import ImportedBox, ImportedImage
    from dinolabel.exporters.importers.common.task_matching import TaskMatches
    from dinolabel.exporters.importers.sources.dataset_source import DatasetSource

LISTED = 10
ROWS = 25


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


def show(source: DatasetSource, path: Path, arriving: Sequence[ImportedImage], reading: ImportLog, *, as_json: bool) -> None:
    """What would come, picture by picture, with no Label Studio to ask: a table, or all of it as JSON."""
    if as_json:
        typer.echo(json.dumps(report(source, arriving, reading), indent=1))
        return
    console.out.print(console.name(f"{path}: {source.words or source.name}"))
    table = console.table("picture", "size", "boxes", "undecided", right=("size",))
    for each in arriving[:ROWS]:
        place = source.place(each.file) if each.file is not None else f"{each.name} (not here)"
        empty = "" if each.unread else "none: nothing is there"
        table.add_row(place, f"{each.width} x {each.height}", _label_words([each]) or empty, _marks(each))
    console.out.print(table)
    if len(arriving) > ROWS:
        console.out.print(f"and {words.count_noun(len(arriving) - ROWS, 'more picture')}")
    _list("refused", [(each.name, f"{each.why} {each.hint}".strip()) for each in reading.refused])
    console.out.print(console.rows(_counts(arriving, reading)))


def report(source: DatasetSource, arriving: Iterable[ImportedImage], reading: ImportLog) -> dict[str, Any]:
    """Everything that a data set gives. xyxy: pixels of the upright picture. file: below the data set, None for one that is not here."""
    return {
        "format": source.name,
        "recognised": source.words or None,
        "pictures": [_picture(source, each) for each in arriving],
        "refused": [{"name": each.name, "why": each.why, "hint": each.hint} for each in reading.refused],
        "notes": [{"text": text, "pictures": names} for text, names in reading.notes.items()],
    }


def _picture(source: DatasetSource, each: ImportedImage) -> dict[str, Any]:
    return {
        "file": None if each.file is None else source.place(each.file),
        "name": each.name,
        "width": each.width,
        "height": each.height,
        "boxes": [_box(box) for box in each.boxes],
        "undecided": [{"mark": mark.region, "kind": mark.kind, "why": mark.why} for mark in each.unread],
    }


def _box(box: ImportedBox) -> dict[str, Any]:
    """What is not the rule stands there only where it is so."""
    return {
        "label": box.label,
        "xyxy": [round(each, 3) for each in box.box.xyxy],
        **({"corners": [[round(x, 3), round(y, 3)] for x, y in box.quad]} if box.quad is not None else {}),
        **({"attributes": {name: value or True for name, value in box.attributes}} if box.attributes else {}),
        **({} if box.verified else {"verified": False}),
    }


def _label_words(pictures: Iterable[ImportedImage]) -> str:
    """`mina 2, no label 1`."""
    counts = Counter("no label" if box.label is None else box.label for each in pictures for box in each.boxes)
    return ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))


def _counts(arriving: Sequence[ImportedImage], reading: ImportLog) -> list[tuple[str, str]]:
    boxes, empty = sum(len(each.boxes) for each in arriving), sum(not each.boxes and not each.unread for each in arriving)
    undecided = sum(bool(each.unread) for each in arriving)
    lines = [("comes", f"{words.count_noun(len(arriving), 'picture')} with {words.count_noun(boxes, 'box', 'boxes')}")]
    lines += [("labels", _label_words(arriving))] if boxes else []
    lines += [("empty", f"{words.count_noun(empty, 'picture')}: nothing is in them, the data set says")] if empty else []
    lines += [("undecided", words.count_noun(undecided, "picture"))] if undecided else []
    lines += [("refused", words.count_noun(len(reading.refused), "picture"))] if reading.refused else []
    return lines + [("note", _note_line(text, names)) for text, names in reading.notes.items()]


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
