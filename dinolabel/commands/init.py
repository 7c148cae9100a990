"""`dinolabel init`: makes a project on a Label Studio that runs: label config, photos, a note for the backend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options, words
from dinolabel.cli.plan import Plan
from dinolabel.doctor import weights
from dinolabel.local.photos import PhotoFolder, find_photos
from dinolabel.local.project import import_photos
from dinolabel.projects import connect, hotkeys, tabs
from dinolabel.settings import Settings
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

UPLOAD_BATCH = 50
TITLE_LENGTH = range(3, 51)


def command(
    title: Annotated[str, typer.Option("--title", help="The project's title, 3 to 50 characters.")],
    prompt: Annotated[list[str], typer.Option("--prompt", help=options.PROMPT_HELP)],
    names: options.Names = None,
    photos: Annotated[Path | None, typer.Option("--photos", help="Folder with pictures. Without it the project starts empty.")] = None,
    upload: Annotated[
        bool | None,
        typer.Option("--upload/--no-upload", help="Send the pictures, or let Label Studio serve the folder."),
    ] = None,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    serve_url: options.ServeUrl = None,
    studio_url: Annotated[str | None, typer.Option(help="Label Studio's address. Default: the setting.")] = None,
    studio_token: Annotated[str | None, typer.Option(help="Its token; better in DINOLABEL_STUDIO_TOKEN.")] = None,
) -> None:
    """Make a project on a running Label Studio, ready for `dinolabel serve`.

    Example: dinolabel init --title Cats --prompt "cat face" --names tom,felix --photos ~/cats
    """
    from dinolabel.studio.label_configs.label_config import build as label_config

    settings = running_settings.settings(studio_url=studio_url, studio_token=studio_token, **weights.flags(weights_name))
    weights.embedder_flags(embedder)
    prompts = words.prompt_map(prompt)
    weights.check_prompt(settings, prompts)
    learnt = words.names(names or [], labels=prompts.values())
    if len(title) not in TITLE_LENGTH:
        raise RequestError(f"The title has {words.count_noun(len(title), 'character')}.", hint="Label Studio wants 3 to 50.")
    found = find_photos(photos) if photos else None
    served = _served(settings, found, upload)
    studio = factory.studio(settings)
    _plan(settings, studio, title, prompts, learnt, found, served, serve_url).show()
    number = _make(settings, studio, title, label_config(prompts, learnt, embedder=embedder or ""), found, served)
    tabs.make(studio, number)
    if serve_url:
        connect.connect(studio, number, serve_url, secret=settings.secret.get_secret_value() if settings.secret else None)
    _print_next_steps(studio, number, title)


def _served(settings: Settings, photos: PhotoFolder | None, upload: bool | None) -> bool:
    """Whether Label Studio serves the folder itself. Raises RequestError when that was asked for and cannot be."""
    root = settings.local_files_root.expanduser().resolve() if settings.local_files_root else None
    below = photos is not None and root is not None and root in photos.folder.parents
    if upload is False and not below:
        raise RequestError(
            "Label Studio serves a folder itself only when it lies below its document root.",
            hint="Say where that is in DINOLABEL_LOCAL_FILES_ROOT, or send the pictures: --upload.",
        )
    return below and not upload


def _make(settings: Settings, studio: LabelStudio, title: str, xml: str, photos: PhotoFolder | None, served: bool) -> int:
    from dinolabel.studio.label_configs.instructions import write_instructions

    told = write_instructions(xml, next_key=hotkeys.USUAL[hotkeys.NEXT], submit_key=hotkeys.USUAL[hotkeys.SUBMIT])
    project = studio.projects.create(title, xml, instruction=told)
    factory.projects(settings).add(project.id, weights=weights.pair(settings), title=title, before={"model_version": ""})
    if photos is not None and served:
        with console.step("Importing the folder") as came_out:
            root = settings.local_files_root.expanduser().resolve() if settings.local_files_root else photos.root
            new = import_photos(studio, project.id, photos, root)
            came_out(f"{words.count_noun(new, 'picture')} served from {photos.folder}")
    elif photos is not None:
        _upload(studio, project.id, photos)
    return project.id


def _upload(studio: LabelStudio, project: int, photos: PhotoFolder) -> None:
    paths = photos.pictures()
    with console.bar() as bar:
        line = bar.add_task("Uploading", total=len(paths))
        for start in range(0, len(paths), UPLOAD_BATCH):
            batch = paths[start : start + UPLOAD_BATCH]
            studio.tasks.upload_images(project, batch)
            bar.advance(line, len(batch))


def _plan(
    settings: Settings,
    studio: LabelStudio,
    title: str,
    prompts: dict[str, str],
    names: list[str],
    photos: PhotoFolder | None,
    served: bool,
    serve_url: str | None,
) -> Plan:
    how = "stay where they are: Label Studio serves the folder" if served else "are sent to Label Studio"
    pictures = (
        [("pictures", f"{words.count_noun(photos.count, 'picture')}, which {how}")]
        if photos
        else [("pictures", "none yet: import them in Label Studio")]
    )
    left_out = photos.skipped_sentence() if photos else None
    return Plan.of(
        f"Make the project {title} on {studio.url}",
        [("looks for", f"“{phrase}” → {label}") for phrase, label in prompts.items()],
        weights.prompt_lines(prompts),
        [("learns", words.join_words(names) or "no names yet: `dinolabel names add` adds them")],
        pictures,
        [("left out", left_out)] if left_out else [],
        [("connects", f"the ML backend {serve_url} and one webhook")] if serve_url else [],
        weights.plan_lines(settings),
        [("takes", "a moment here; boxes come from `dinolabel serve`")],
    )


def _print_next_steps(studio: LabelStudio, number: int, title: str) -> None:
    console.out.print(console.ok("Made"), f"project {number}, {title}: {studio.url}/projects/{number}")
    console.out.print(console.soft("`dinolabel serve` fills it with boxes and keeps it in step."))
