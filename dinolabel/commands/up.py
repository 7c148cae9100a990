"""`dinolabel up`: the one command for a person with photos and no Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinolabel import factory
from dinolabel.cli import console, options, words
from dinolabel.doctor import weights
from dinolabel.local.photos import find_photos
from dinolabel.local.session import UpOptions, serve
from dinolabel.settings import Settings


def command(
    photos: Annotated[Path, typer.Argument(help="Folder with pictures; its sub-folders count too.", show_default=False)],
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help=options.PROMPT_HELP)] = None,
    names: options.Names = None,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    port: Annotated[int | None, typer.Option(help="Label Studio's port. Default: the one it had, else a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser, only print the link.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data folder, for photos in another place of the disk.")] = None,
) -> None:
    """Label a folder of photos: starts Label Studio, proposes boxes, opens the browser, learns the names you give.

    Run it again on the same folder to go on where you were. Ctrl-C stops everything; nothing is lost.

    Example: dinolabel up ~/Pictures/party --prompt "human face" --names jason,lacy
    """
    settings = Settings.load(data_dir=data, **weights.flags(weights_name))
    found = find_photos(photos)
    weights.embedder_flags(embedder)
    prompts = words.prompt_map(prompt) if prompt else None
    weights.check_prompt(settings, prompts or ())
    wishes = UpOptions(
        photos=found,
        prompts=prompts,
        embedder=embedder,
        names=tuple(words.names(names or [], labels=(prompts or {}).values())),
        weights_named=weights_name is not None,
        port=port,
        browser=not no_browser,
    )
    factory.data_dir(settings)
    serve(settings, wishes)
    console.err.print(console.ok("Stopped."), "Run the same command again to go on.")
