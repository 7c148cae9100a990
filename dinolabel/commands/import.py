"""`dinolabel import`: boxes that other tools or earlier projects approved, as approved annotations of a project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import build, choice, console, neighbour, options, words
from dinolabel.plan import Plan, agreed
from studio.names import find_label, normal
from vision.errors import RequestError

if TYPE_CHECKING:
    from exporters.incoming.arriving import Arriving
    from exporters.incoming.matching import Matching
    from studio.client import Studio
    from studio.label_config import LabelConfig

UPLOADS = 20
"""Pictures sent before their annotations: what a stop in between leaves without any is found again by the next run."""

LISTED = 10


def command(
    what: Annotated[str, typer.Argument(metavar="FORMAT", help="coco, yolo or crops.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The data set: its folder or file.")],
    project: options.Project = None,
    media: Annotated[Path | None, typer.Option("--media", help="Folder with the pictures, when they do not lie beside.")] = None,
    rename: Annotated[list[str] | None, typer.Option("--rename", help="old=new: a label by another name. Repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: options.Yes = False,
) -> None:
    """Bring approved boxes in: tasks that are there get them, other pictures become tasks; nothing that a person made is touched.

    Example: dinolabel import coco old-data/ --project 3
    """
    from exporters import incoming
    from exporters.incoming.matching import match
    from studio.label_config import LabelConfig

    reader = incoming.load(what)
    settings = neighbour.settings()
    studio, number = build.studio(settings), choice.chosen(settings, project)
    there = studio.project(number)
    config = LabelConfig.parse(there.label_config)
    arriving = list(_renamed(reader.read(path, media), _pairs(rename or ())))
    _check_labels(arriving, config, number)
    arriving = list(_spelled(arriving, config))
    found = match(arriving, studio.tasks(number), data_key=config.data_key, resolve=build.media(settings).resolve)
    _plan(what, path, f"{number}, {there.title}, on {studio.url}", found).show()
    if dry_run or not (found.new or found.found):
        _tell(found, 0)
        return
    agreed(yes=yes)
    _tell(found, _bring(studio, number, config, found, source=f"{what}: {path.name}"))


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs = {normal(old): new for old, new in (text.split("=", 1) for text in texts if "=" in text)}
    if len(pairs) != len(list(texts)):
        raise RequestError("--rename wants old=new.", hint='For example --rename "human=face".')
    return pairs


def _renamed(arriving: Iterable[Arriving], pairs: dict[str, str]) -> Iterator[Arriving]:
    for each in arriving:
        boxes = tuple(replace(box, label=pairs.get(normal(box.label), box.label)) if box.label is not None else box for box in each.boxes)
        yield replace(each, boxes=boxes)


def _spelled(arriving: Iterable[Arriving], config: LabelConfig) -> Iterator[Arriving]:
    """Labels as the label config spells them: Label Studio compares letter by letter."""
    for each in arriving:
        boxes = (replace(box, label=find_label(box.label, config.labels)) if box.label is not None else box for box in each.boxes)
        yield replace(each, boxes=tuple(boxes))


def _check_labels(arriving: Iterable[Arriving], config: LabelConfig, number: int) -> None:
    given = {box.label for each in arriving for box in each.boxes if box.label is not None}
    labels = sorted(each for each in given if find_label(each, config.labels) is None)
    if labels:
        raise RequestError(
            f"Project {number} has no label {words.listed([repr(each) for each in labels], last='or')}.",
            hint=f"Add it: dinolabel names add {labels[0]!r} --project {number}; or give it another name: --rename {labels[0]}=…",
        )


def _bring(studio: Studio, number: int, config: LabelConfig, found: Matching, *, source: str) -> int:
    """Annotations made. Pictures go up in small batches, each annotated before the next."""
    made = 0
    with console.bar() as bar:
        line = bar.add_task("Importing", total=len(found.found) + len(found.new))
        for each, task in found.found:
            made += _annotate(studio, task, each, config, source)
            bar.update(line, completed=made)
        for start in range(0, len(found.new), UPLOADS):
            batch = found.new[start : start + UPLOADS]
            ids = studio.upload_images(number, [each.file for each in batch if each.file is not None])
            for each, task in zip(batch, ids, strict=True):
                made += _annotate(studio, task, each, config, source)
                bar.update(line, completed=made)
    return made


def _annotate(studio: Studio, task: int, each: Arriving, config: LabelConfig, source: str) -> int:
    from studio.results import drawn

    result = [
        drawn(
            _identity(source, each, box.source, at),
            box.label,
            box.box,
            config,
            width=each.width,
            height=each.height,
            quad=box.quad,
            note=f"imported from {source}, {box.source}",
        )
        for at, box in enumerate(each.boxes)
    ]
    # what a button makes of a prediction without boxes looks like an empty picture of ours, but that nobody spent time on it: none is some
    studio.create_annotation(task, result, lead_time=None if result else 0.0)
    return 1


def _identity(source: str, each: Arriving, box: str, at: int) -> str:
    """The same import gives the same ids, which differ within a picture."""
    return hashlib.sha1(f"{source}|{each.name}|{box}|{at}".encode(), usedforsecurity=False).hexdigest()[:10]


def _plan(what: str, path: Path, where: str, found: Matching) -> Plan:
    boxes = sum(len(each.boxes) for each in (*(each for each, _ in found.found), *found.new))
    lines = [("from", f"{path} ({what})"), ("into", f"project {where}, as approved annotations")]
    lines += [("annotates", words.counted(len(found.found), "task that is there", "tasks that are there"))] if found.found else []
    lines += [("uploads", words.counted(len(found.new), "picture"))] if found.new else []
    left = [("leaves", words.counted(len(found.done), "task") + " that somebody answered already")] if found.done else []
    return Plan.of(f"Import {words.counted(boxes, 'box', 'boxes')}", lines, left)


def _tell(found: Matching, made: int) -> None:
    for title, entries in (("no picture here and no task", found.lost), ("arrives twice", found.twice)):
        for each in entries[:LISTED]:
            console.out.print(console.warn(title), f" {each.name}", soft_wrap=True)
        if len(entries) > LISTED:
            console.out.print(console.warn(title), f" and {len(entries) - LISTED} more")
    if made:
        console.out.print(console.ok("Made"), f"{words.counted(made, 'annotation')}.")
    elif not (found.found or found.new):
        console.out.print(f"Nothing to import: {words.counted(len(found.done), 'picture')} annotated already.")
