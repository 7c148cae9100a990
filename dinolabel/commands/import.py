"""`dinolabel import`: boxes that other tools or earlier projects approved, as approved annotations of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option, words
from dinolabel.cli.plan import confirm
from dinolabel.exporters import importers
from dinolabel.projects import import_annotations
from dinolabel.studio.label_configs.label_names import find_label, normalise_name
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.exporters.importers.common.reading import ImportLog
    from dinolabel.exporters.importers.common.records import ImportedImage
    from dinolabel.exporters.importers.common.task_matching import TaskMatches
    from dinolabel.exporters.importers.sources.dataset_source import DatasetSource
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.vision.decoding.frame_sizes import Choice

UPLOADS = 20
"""Pictures sent before their annotations: what a stop in between leaves without any is found again by the next run."""
FORMATS = words.join_words(importers.names(), last="or")


def command(
    what: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{FORMATS}: see docs/exports.md. PATH alone tells it from the data.")],
    path: Annotated[Path | None, typer.Argument(metavar="PATH", help="The data set: its folder, its file, or a zip.")] = None,
    project: options.Project = None,
    media: Annotated[Path | None, typer.Option("--media", help="Folder with the pictures, when they do not lie beside.")] = None,
    frame: Annotated[
        str | None,
        typer.Option("--frame", help="upright or stored: how boxes were drawn on pictures that EXIF turns, where nothing else tells."),
    ] = None,
    rename: Annotated[list[str] | None, typer.Option("--rename", help="old=new: a label by another name. Repeatable.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come; with --project also what it would do there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: every picture and box as JSON.")] = False,
    yes: options.Yes = False,
) -> None:
    """Bring approved boxes in: tasks that are there get them, other pictures become tasks; nothing that a person made is touched.

    Example: dinolabel import old-data/ --project 3
    """
    from dinolabel.exporters.importers.common.reading import ImportLog
    from dinolabel.exporters.importers.sources.dataset_source import open_source

    if as_json and not dry_run:
        raise RequestError("--json says what would come.", hint="Add --dry-run.")
    reading = ImportLog(_frame(frame))
    source = open_source(*_format_and_path(what, path), reading)
    named = path or Path(what)
    arriving = _read(source, named, media, reading, rename or ())
    if dry_run and (as_json or project is None):
        import_annotations.show(source, named, arriving, reading, as_json=as_json)
        return
    _import(source, named, arriving, reading, project, dry_run=dry_run, yes=yes)


def _format_and_path(what: str, path: Path | None) -> tuple[str | None, Path]:
    """One word alone is the data set."""
    if path is not None:
        return what, path
    if what in importers.names() and not Path(what).exists():
        raise RequestError(f"Which data set, in the format {what}?", hint=f"dinolabel import {what} PATH")
    return None, Path(what)


def _read(source: DatasetSource, path: Path, media: Path | None, reading: ImportLog, rename: Sequence[str]) -> list[ImportedImage]:
    """What comes of a data set. Raises ImportUnreadable when that is nothing."""
    from dinolabel.exporters.importers.common.annotation_results import has_nothing_readable

    every = list(_renamed(source.read(media, reading), _pairs(rename)))
    import_annotations.check(every, reading, path)
    arriving = [each for each in every if not has_nothing_readable(each)]
    if len(arriving) < len(every):
        reading.note(f"{words.count_noun(len(every) - len(arriving), 'picture')} without a box that nobody called empty: left out")
    return arriving


def _import(
    source: DatasetSource, path: Path, arriving: list[ImportedImage], reading: ImportLog, project: int | None, *, dry_run: bool, yes: bool
) -> None:
    from dinolabel.exporters.importers.common.task_matching import match_tasks

    settings = running_settings.settings()
    studio, number = factory.studio(settings), project_option.resolve_number(settings, project)
    there = studio.projects.get(number)
    config = factory.label_config(settings, there)
    _check_labels(arriving, config, number)
    spelled = list(_spelled(arriving, config))
    found = match_tasks(spelled, studio.tasks.list(number), data_key=config.data_key, resolve=factory.media(settings).resolve)
    known = source.words or source.name
    import_annotations.plan(known, path, f"{number}, {there.title}, on {studio.url}", found, reading).show()
    if dry_run or not (found.new or found.found):
        import_annotations.tell(found, reading, None)
        return
    confirm(yes=yes)
    import_annotations.tell(found, reading, _bring(studio, number, config, found, source=f"{source.name}: {path.resolve().name}"))


def _frame(word: str | None) -> Choice | None:
    if word not in (None, "upright", "stored"):
        raise RequestError(f"--frame cannot be {word!r}.", hint="It is upright or stored.")
    return cast("Choice | None", word)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {normalise_name(old): new for old, new in (text.split("=", 1) for text in texts if "=" in text)}
    if len(pairs) != len(texts) or not all(map(str.strip, (*pairs, *pairs.values()))):
        raise RequestError("--rename wants old=new.", hint='For example --rename "human=face".')
    return pairs


def _renamed(arriving: Iterable[ImportedImage], pairs: dict[str, str]) -> Iterator[ImportedImage]:
    for each in arriving:
        boxes = tuple(
            replace(box, label=pairs.get(normalise_name(box.label), box.label)) if box.label is not None else box for box in each.boxes
        )
        yield replace(each, boxes=boxes)


def _spelled(arriving: Iterable[ImportedImage], config: LabelConfig) -> Iterator[ImportedImage]:
    """Labels as the label config spells them: Label Studio compares letter by letter."""
    for each in arriving:
        boxes = (replace(box, label=find_label(box.label, config.labels)) if box.label is not None else box for box in each.boxes)
        yield replace(each, boxes=tuple(boxes))


def _check_labels(arriving: Iterable[ImportedImage], config: LabelConfig, number: int) -> None:
    given = {box.label for each in arriving for box in each.boxes if box.label is not None}
    labels = sorted(each for each in given if find_label(each, config.labels) is None)
    if labels:
        raise RequestError(
            f"Project {number} has no label {words.join_words([repr(each) for each in labels], last='or')}.",
            hint=f"Add it: dinolabel names add {labels[0]!r} --project {number}; or give it another name: --rename {labels[0]}=…",
        )


def _bring(studio: LabelStudio, number: int, config: LabelConfig, found: TaskMatches, *, source: str) -> int:
    """Annotations made. Pictures go up in small batches, each annotated before the next."""
    made, done = 0, 0
    with console.bar() as bar:
        line = bar.add_task("Importing", total=len(found.found) + len(found.new))
        for done, (each, task) in enumerate(found.found, 1):
            made += _annotate(studio, task, each, config, source)
            bar.update(line, completed=done)
        for start in range(0, len(found.new), UPLOADS):
            batch = found.new[start : start + UPLOADS]
            ids = studio.tasks.upload_images(number, [each.file for each in batch if each.file is not None])
            for each, task in zip(batch, ids, strict=True):
                made += _annotate(studio, task, each, config, source)
            bar.update(line, completed=done + start + len(batch))
    return made


def _annotate(studio: LabelStudio, task: int, each: ImportedImage, config: LabelConfig, source: str) -> int:
    """How many annotations were made: none where something was marked and no box could be read, for that is not nothing."""
    from dinolabel.exporters.importers.common.annotation_results import annotation_results

    made = 0
    for result in annotation_results(each, config, source):
        # an empty answer of a button has no time, and nothing else that tells it: this one has a time of no seconds
        studio.annotations.create(task, result, lead_time=None if result else 0.0)
        made += 1
    return made
