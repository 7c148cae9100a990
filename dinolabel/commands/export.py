"""`dinolabel export`: what people decided, as files: from a project of Label Studio, or from an export file of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dinolabel import build, choice, console, options, words
from dinolabel.plan import Plan
from dinolabel.settings import Settings
from vision.errors import MediaError, RequestError

if TYPE_CHECKING:
    from exporters.crops import Report
    from studio.client import Studio
    from studio.label_config import LabelConfig
    from vision.types import Image

JSON_HINT = "Export the project as JSON, not JSON-MIN."
LISTED = 10  # failures and conflicts shown by name; report.json has all


@dataclass(frozen=True)
class Source:
    """Annotated tasks, how to read them, and how to find their pictures. words: for the plan."""

    tasks: list[dict[str, Any]]
    config: LabelConfig
    find: Callable[[str], Path]
    words: str
    name: str

    def open(self, value: Any) -> Image:
        """The picture of a task, from what the task says it is."""
        from vision.media import open_image

        if not isinstance(value, str):
            raise MediaError("What the task has for its picture is no address.", hint="Import the task again with one picture in it.")
        return open_image(self.find(value))


def command(
    what: Annotated[str, typer.Argument(metavar="FORMAT", help="crops: a picture of each box, and manifest.jsonl for `dinolabel train`.")],
    project: options.Project = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write. Default: exports/PROJECT in the data folder.")] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="A JSON export of Label Studio instead of a project.")] = None,
    media: Annotated[Path | None, typer.Option("--media", help="Folder with the pictures of --from.")] = None,
    label_config: Annotated[Path | None, typer.Option("--label-config", help="XML file with the label config of --from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write what people approved, rejected and never looked at.

    Example: dinolabel export crops --project 3 --out crops/
    """
    import exporters

    format_of = exporters.load(what)
    settings = Settings.load()
    source = _from_file(from_file, media, label_config) if from_file else _from_project(settings, choice.chosen(settings, project))
    from exporters.approved import approved

    counted = format_of.Report.of(approved(source.tasks, source.config, generic_is_unknown=settings.generic_is_unknown))
    if dry_run:
        _tell(counted, None, as_json=as_json)
        return
    if out is None and from_file:
        raise RequestError("Where should the files go?", hint="Add --out FOLDER.")
    folder = out or build.data_dir(settings, "exports") / source.name
    _plan(source, counted, folder).show()
    with console.bar() as bar:
        line = bar.add_task("Cutting", total=None)
        report = format_of.export(
            source.tasks,
            source.config,
            folder,
            open_image=source.open,
            generic_is_unknown=settings.generic_is_unknown,
            progress=lambda done, total: bar.update(line, completed=done, total=total),
        )
    _tell(report, folder, as_json=as_json)


def _from_project(settings: Settings, number: int) -> Source:
    from studio.label_config import LabelConfig

    studio = build.studio(settings)
    project = studio.project(number)
    find = build.media(settings).resolve
    where = f"project {number}, {project.title}, on {studio.url}"
    tasks = [_with_predictions(task, studio) for task in studio.export(number)]
    return Source(tasks, LabelConfig.parse(project.label_config), find, where, str(number))


def _with_predictions(task: dict[str, Any], studio: Studio) -> dict[str, Any]:
    """The task with the predictions its annotations began from. Label Studio's export has them only while the project shows that version
    (measured); without them nobody could tell which boxes a person removed, nor what the detector's own box was."""
    lacking = any(
        each.get("parent_prediction") and (each.get("prediction") or {}).get("id") != each["parent_prediction"]
        for each in task["annotations"]
    )
    return {**task, "predictions": studio.predictions(task["id"])} if lacking else task


def _from_file(file: Path, media: Path | None, label_config: Path | None) -> Source:
    from exporters.offline import finder
    from studio.label_config import LabelConfig

    if media is None or label_config is None:
        raise RequestError("--from needs --media and --label-config too.", hint="An export file holds neither pictures nor label config.")
    if not media.is_dir():
        raise RequestError(f"There is no folder {media}.", hint="Name the folder that holds the pictures.")
    try:
        tasks = json.loads(file.read_text(encoding="utf-8"))
        config = LabelConfig.parse(label_config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{file} and {label_config} cannot be read: {error}.", hint=JSON_HINT) from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "id" in task and "annotations" in task for task in tasks):
        raise RequestError(f"{file} is no JSON export of Label Studio.", hint=JSON_HINT)
    return Source(tasks, config, finder(media), f"{file}, pictures in {media}", file.stem)


def _plan(source: Source, counted: Report, folder: Path) -> Plan:
    boxes = sum(counted.approved.values()) + counted.generic + counted.unknown + counted.unlabelled + counted.rejected + counted.unverified
    return Plan.of(
        f"Cut {words.counted(boxes, 'box', 'boxes')} out of {words.counted(counted.images, 'picture')}",
        [("from", source.words), ("into", f"{folder}; an earlier export there is replaced when this one is whole")],
        [("takes", "about a tenth of a second per picture, more where it must be downloaded first")],
    )


def _tell(report: Report, folder: Path | None, *, as_json: bool) -> None:
    if as_json:
        console.out.print_json(json.dumps({**asdict(report), "out": str(folder) if folder else None}))
        return
    names = ", ".join(f"{label} {count}" for label, count in report.approved.items()) or "none"
    kinds = {kind: getattr(report, kind) for kind in ("generic", "unknown", "unlabelled", "rejected", "unverified")}
    facts = [("approved", escape(names)), *((kind, f"{count:,}") for kind, count in kinds.items() if count)]
    facts += [("skipped", words.counted(report.skipped, "annotation"))] if report.skipped else []
    facts += [("outside", words.counted(report.outside, "box", "boxes"))] if report.outside else []
    console.out.print(console.rows(facts))
    for title, entries in (("left out, people disagree", report.conflicts), ("pictures that failed", report.failed)):
        for entry in entries[:LISTED]:
            said = entry.get("why") or " / ".join(entry.get("labels", ()))
            cost = f" ({words.counted(entry['boxes'], 'box', 'boxes')})" if "boxes" in entry else ""
            console.out.print(f"[warn]{title}[/]  task {entry['task']}: {escape(said)}{cost}", soft_wrap=True)
        if len(entries) > LISTED:
            console.out.print(f"[warn]{title}[/]  and {len(entries) - LISTED} more")
    if folder:
        console.out.print(f"[ok]Wrote[/] {words.counted(report.rows, 'crop')} to {escape(str(folder))}", soft_wrap=True)
