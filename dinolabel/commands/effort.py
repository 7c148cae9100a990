"""`dinolabel effort`: how much work people had with predicted boxes, by model version, label and person, as a page and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, project_option
from dinolabel.projects import sources
from dinolabel.vision.errors import MediaError

if TYPE_CHECKING:
    from rich.table import Table

    from dinolabel.exporters.annotation_effort.html_report import Thumbnail
    from dinolabel.projects.sources import TaskSource
    from dinolabel.settings import Settings

SIDE = 480  # pixels of a picture in the page


def command(
    project: options.Project = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file to write. Default: reports/PROJECT.html in the data folder.")] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="A JSON export of Label Studio instead of a project.")] = None,
    media: Annotated[Path | None, typer.Option("--media", help="Folder with the pictures of --from; without it the page has none.")] = None,
    label_config: Annotated[Path | None, typer.Option("--label-config", help="XML file with the label config of --from.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Say how many boxes people accepted, renamed, moved, drew and deleted, how that changed, and how far they agree.

    Example: dinolabel effort --project 3
    """
    from dinolabel.exporters.annotation_effort.counts import EffortCounts
    from dinolabel.exporters.annotation_effort.html_report import page
    from dinolabel.exporters.pipeline.malformed_tasks import readable_tasks

    settings = running_settings.settings()
    if from_file:
        source = sources.from_file(settings, from_file, media, label_config, wants=())
    else:
        sources.refuse_parts_of_a_file(media, label_config)
        source = sources.from_project(settings, project_option.resolve_number(settings, project))
    effort, failed = EffortCounts(), list[Mapping[str, Any]]()
    for task in readable_tasks(source.tasks, failed):
        effort.add(task, source.config)
    summary = effort.summary({} if from_file else _people(settings)) | {"failed": failed}
    file = out or factory.data_dir(settings, "reports") / f"{source.name}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = _thumbnails(source) if media or not from_file else lambda address: None
    file.write_text(page(summary, effort.hardest, title=_title(source, from_file), thumbnail=pictures), encoding="utf-8")
    if as_json:
        console.out.print_json(json.dumps({**summary, "page": str(file)}))
        return
    _tell(summary, file)


def _people(settings: Settings) -> dict[str, str]:
    """Label Studio's number of a person -> their e-mail address. Who may not ask for all gets numbers."""
    from dinolabel.studio.errors import StudioDenied, StudioRefused

    try:
        return {str(each.id): each.email for each in factory.studio(settings).users.list()}
    except (StudioDenied, StudioRefused):
        return {}


def _title(source: TaskSource, from_file: Path | None) -> str:
    return from_file.name if from_file else f"project {source.name}"


def _thumbnails(source: TaskSource) -> Thumbnail:
    import PIL.Image

    def small(address: Any) -> bytes | None:
        try:
            pixels = source.open(address).pixels
        except MediaError:
            return None  # the page does without it; `dinolabel doctor` tells about media
        picture = PIL.Image.fromarray(pixels)
        picture.thumbnail((SIDE, SIDE))
        written = io.BytesIO()
        picture.save(written, format="JPEG", quality=80)
        return written.getvalue()

    return small


def _tell(summary: dict[str, Any], file: Path) -> None:
    figures = ("boxes", "accepted", "renamed", "moved", "drawn", "deleted")
    table = console.table("version", *figures, "keys a box", right=(*figures, "keys a box"))
    for each in summary["versions"]:
        ratio = "–" if each["keys_per_box"] is None else f"{each['keys_per_box']:.2f}"
        table.add_row(each["model_version"], *(f"{each[name]:,}" for name in figures), ratio)
    console.out.print(table)
    if len(summary["people"]) > 1:
        console.out.print(_people_table(summary["people"]))
    for each in summary["failed"]:
        console.out.print(console.warn("left out"), f" {each['why']}", soft_wrap=True)
    console.out.print(console.ok("Wrote"), f"{file}", soft_wrap=True)


def _people_table(people: Sequence[Mapping[str, Any]]) -> Table:
    """agreement: of the objects that one of two people on the same picture marked, those that both marked and named alike."""
    figures = ("pictures", "boxes", "keys a box", "agreement", "compared")
    table = console.table("person", *figures, right=figures)
    for each in people:
        keys = "–" if each["keys_per_box"] is None else f"{each['keys_per_box']:.2f}"
        agreement = "–" if each["agreement"] is None else f"{each['agreement']:.0%}"
        table.add_row(each["who"], f"{each['answers']:,}", f"{each['boxes']:,}", keys, agreement, f"{each['compared']:,}")
    return table
