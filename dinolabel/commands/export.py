"""`dinolabel export`: what people decided, as files: from a project of Label Studio, or from an export file of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from dinolabel import factory, logging_setup, running_settings
from dinolabel.cli import console, failures, options, project_option, words
from dinolabel.cli.plan import Plan
from dinolabel.erasure.exports import crops
from dinolabel.exporters import formats
from dinolabel.projects import sources
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.exporters.options import ExportOptions
    from dinolabel.exporters.pipeline.report import ExportReport
    from dinolabel.projects.sources import TaskSource
    from dinolabel.studio.reviews.annotator_policy import Annotators

FORMATS = words.join_words(formats.names(), last="or")
LISTED = 10  # conflicts shown by name; report.json has all
DISAGREE = "left out, people disagree"
NEEDS = {"crops": ("--media", "--label-config"), "labelstudio": ()}
"""What --from cannot do without: crops are taught from, so a guess at which labels are names will not do; tasks are copied as they are."""


def command(
    what: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{FORMATS}: see docs/exports.md.")],
    project: options.Project = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write. Default: exports/PROJECT in the data folder.")] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="A JSON export of Label Studio instead of a project.")] = None,
    media: Annotated[Path | None, typer.Option("--media", help="Folder with the pictures of --from.")] = None,
    label_config: Annotated[Path | None, typer.Option("--label-config", help="XML file with the label config of --from.")] = None,
    annotators: Annotated[
        str, typer.Option("--annotators", help="Where several annotated a task: agreed, latest, majority or all.")
    ] = "agreed",
    unverified: Annotated[bool, typer.Option("--unverified", help="Boxes that nobody looked at too.")] = False,
    undecided: Annotated[
        bool, typer.Option("--undecided", help="Pictures too in which something was marked that we do not use, with the boxes we do.")
    ] = False,
    control: Annotated[
        str | None, typer.Option("--control", help="The RectangleLabels that is meant, by name, where there are several.")
    ] = None,
    split: Annotated[bool, typer.Option("--split/--no-split", help="Pictures for training and for validation apart.")] = True,
    group_by: Annotated[
        str | None, typer.Option("--group-by", help="Task data key whose value stays on one side of the split. Default: equal pictures.")
    ] = None,
    pictures: Annotated[str, typer.Option("--pictures", help="copy, link (hard links where they can be) or none.")] = "copy",
    layout: Annotated[
        str | None, typer.Option("--layout", help="crops: splits (train/ and val/) or flat. Default: as the folder is; new ones splits.")
    ] = None,
    oriented: Annotated[bool, typer.Option("--oriented", help="yolo: four corners for each box, for oriented-box models.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Replace an earlier export though pictures that it holds cannot be had now.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write what people approved in the format that the next tool reads; an export that was stopped goes on.

    A picture that cannot be had, and a task that makes no sense, is listed under `failed` and costs nothing else; the exit code is 0. When
    no picture at all can be had, or not all that an earlier export in the folder holds (but for crops of a project), it is 3, and that
    export is left as it was. When nothing is approved it is 2, likewise.

    Example: dinolabel export coco --project 3 --out coco/
    """
    format_of = formats.load(what)
    more = {"undecided": undecided, "control": control, "oriented": oriented}
    # what a project's training learns from is made anew each time: a picture that was deleted there ends none
    more["allow_missing"] = allow_missing or (what == "crops" and from_file is None)
    wish = _wish(annotators, pictures, layout, unverified=unverified, split=split, group_by=group_by, **more)
    settings = running_settings.settings()
    log = None if dry_run else logging_setup.into(factory.data_dir(settings, "logs"), "export")
    if from_file:
        source = sources.from_file(settings, from_file, media, label_config, wants=NEEDS.get(what, ("--media",)), control=control)
    else:
        sources.refuse_parts_of_a_file(media, label_config)
        source = sources.from_project(settings, project_option.resolve_number(settings, project), control=control)
    counted, tasks = _counted(what, source, wish, settings)
    if dry_run:
        _tell(what, counted, None, as_json=as_json)
        return
    if out is None and (from_file or what != "crops"):
        raise RequestError("Where should the files go?", hint="Add --out FOLDER.")
    folder = out or factory.data_dir(settings, "exports") / source.name
    _refuse_nothing(what, counted, wish)
    _plan(what, source, counted, folder).show()
    if not from_file:
        crops.note(factory.data_dir(settings), source.name, folder, what)  # before: a stopped export holds pictures too
    from dinolabel.exporters.pipeline.refusals import REFUSALS

    try:
        with console.bar() as bar:
            line = bar.add_task("Exporting", total=None)
            report = format_of.export(
                source.tasks,
                source.config,
                folder,
                open_image=source.open,
                find=source.find,
                wish=wish,
                generic_is_unknown=settings.generic_is_unknown,
                progress=lambda done, total: bar.update(line, completed=done, total=total or tasks),
                **({"xml": source.xml} if source.xml else {}),
                **({"policy": factory.crop_policy(settings, source.config.embedder)} if what == "crops" else {}),
            )
    except REFUSALS as error:
        _tell(what, error.report, None, log, as_json=as_json)
        raise
    _tell(what, report, folder, log, as_json=as_json)


def _wish(annotators: str, pictures: str, layout: str | None, **more: Any) -> ExportOptions:
    from dinolabel.exporters.options import ExportOptions, Layout, Pictures
    from dinolabel.studio.reviews.annotator_policy import POLICIES

    choices = (("--annotators", annotators, POLICIES), ("--pictures", pictures, get_args(Pictures)), ("--layout", layout, get_args(Layout)))
    for option, given, known in choices:
        if given is not None and given not in known:
            raise RequestError(f"{option} cannot be {given!r}.", hint=f"It is one of {', '.join(known)}.")
    return ExportOptions(
        annotators=cast("Annotators", annotators), pictures=cast("Pictures", pictures), layout=cast("Layout | None", layout), **more
    )


def _counted(what: str, source: TaskSource, wish: ExportOptions, settings: Settings) -> tuple[ExportReport, int]:
    """What will be exported, and how many tasks there are: one look at the JSON, none at pictures."""
    from dinolabel.exporters.pipeline.report import INCOMPLETE, count

    wish = wish.with_undecided() if what in INCOMPLETE else wish
    tasks = 0

    def each() -> Iterator[dict[str, Any]]:
        nonlocal tasks
        for task in source.tasks:
            tasks += 1
            yield task

    report = count(each(), source.config, wish, generic_is_unknown=settings.generic_is_unknown)
    if what in ("crops", "labelstudio"):  # nothing is left out of these
        report = replace(report, left_out=0, left_out_boxes=0)
    return (replace(report, negatives=0) if what == "crops" else report), tasks


def _refuse_nothing(what: str, counted: ExportReport, wish: ExportOptions) -> None:
    from dinolabel.exporters.pipeline.refusals import refuse_nothing

    crops = what == "crops"
    refuse_nothing(counted, rejected=crops, unverified=crops or wish.unverified)


def _plan(what: str, source: TaskSource, counted: ExportReport, folder: Path) -> Plan:
    decided = sum(counted.approved.values()) + counted.generic + counted.unknown + counted.unlabelled - counted.left_out_boxes
    if what == "crops":
        boxes = decided + counted.rejected + counted.unverified
        title = f"Cut {words.count_noun(boxes, 'box', 'boxes')} out of {words.count_noun(counted.images, 'picture')}"
    else:
        title = f"Export {words.count_noun(decided, 'box', 'boxes')} as {what}"
    read_off = [] if source.xml else [("labels", f"read off the export, sorted: {', '.join(source.config.labels) or 'none'}")]
    return Plan.of(
        title,
        [
            ("from", source.words),
            ("into", f"{folder}; the files of an earlier export there are replaced when this one is whole, others stay"),
        ],
        [*read_off, *_others(source, counted)],
        [("takes", "about a tenth of a second per picture, more where it must be downloaded first")],
    )


def _others(source: TaskSource, counted: ExportReport) -> list[tuple[str, str]]:
    """What lies beside the boxes that are exported."""
    from dinolabel.studio.regions.reading import OTHER_CONTROL

    others = counted.kinds.get(OTHER_CONTROL, 0)
    named = f"{source.config.control}, without {words.count_noun(others, 'box', 'boxes')} of other controls (--control)"
    lines = [("boxes of", named)] if others else []
    pictures = words.count_noun(counted.left_out, "picture")
    left = f"{pictures} with marks that are not used ({_kinds(counted)}): --undecided takes those with boxes"
    return lines + ([("leaves out", left)] if counted.left_out else [])


def _kinds(report: ExportReport) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in report.kinds.items())


def _names(boxes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {words.count_noun(number, 'box', 'boxes')}" for name, number in boxes.items())


def _tell(what: str, report: ExportReport, folder: Path | None, log: Path | None = None, *, as_json: bool) -> None:
    if as_json:
        console.out.print_json(json.dumps({**asdict(report), "out": str(folder) if folder else None}))
        return
    from dinolabel.vision.decoding.frame_sizes import SWAPPED

    names = ", ".join(f"{label} {count}" for label, count in report.approved.items()) or "none"
    kinds = {kind: getattr(report, kind) for kind in ("generic", "unknown", "unlabelled", "rejected", "unverified")}
    facts = [("approved", names), *((kind, f"{count:,}") for kind, count in kinds.items() if count)]
    facts += (
        [("not listed", f"{_names(report.unlisted)}: the label config has no such label, so they have no class")] if report.unlisted else []
    )
    facts += [("negatives", words.count_noun(report.negatives, "picture"))] if report.negatives else []
    facts += [(name, words.count_noun(number, "picture")) for name, number in sorted(report.sides.items())]
    facts += [("skipped", words.count_noun(report.skipped, "annotation"))] if report.skipped else []
    facts += [("turned", f"{words.count_noun(report.sideways, 'picture')}: {SWAPPED}")] if report.sideways else []
    facts += [("undecided", f"{words.count_noun(report.undecided, 'picture')}: {_kinds(report)}")] if report.undecided else []
    facts += [("left out", f"{words.count_noun(report.left_out, 'picture')}, as undecided")] if report.left_out else []
    facts += [("outside", words.count_noun(report.outside, "box", "boxes"))] if report.outside else []
    console.out.print(console.rows(facts))
    disagree = [each for each in report.conflicts if "region" not in each]
    for title, entries in ((DISAGREE, disagree), ("not used", report.unread)):
        for entry in entries[:LISTED]:
            said = entry.get("why") or " / ".join(entry.get("labels", ()))
            where = f"task {entry['task']}" + (f", region {entry['region']}" if entry.get("region") else "")
            console.out.print(console.warn(title), f" {where}: {said}", soft_wrap=True)
        if len(entries) > LISTED:
            console.out.print(console.warn(title), f" and {len(entries) - LISTED} more")
    failed = [failures.TaskFailure(each["task"], each["error"], each["why"], each["hint"], each["boxes"]) for each in report.failed]
    for said, hint in failures.lines(failed):
        console.out.print(console.warn("failed"), f" {said}", soft_wrap=True)
        console.out.print(console.soft(f"        {hint}"), soft_wrap=True)
    if failed and log is not None:
        console.err.print(console.soft(f"All of them: {log}"), soft_wrap=True)
    if folder:
        made = words.count_noun(report.rows, "crop") if what == "crops" else words.count_noun(report.rows, "box", "boxes")
        console.out.print(console.ok("Wrote"), f"{made} to {folder}", soft_wrap=True)
