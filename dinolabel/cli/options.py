"""Options that several commands have, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinolabel.projects import connect
from dinolabel.vision.errors import RequestError

Project = Annotated[int | None, typer.Option("--project", help="Label Studio's project number. Needed when there are several.")]
Heads = Annotated[
    str | None,
    typer.Option("--project", metavar="PROJECT", help="Label Studio's project number, or the name that `dinolabel bootstrap` gave."),
]
WeightsName = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="`nano` (embedded pair), `faces` (human faces, no hub), `hub` (the default pair), or the detector's hub id or folder.",
    ),
]
EmbedderName = Annotated[
    str | None, typer.Option("--embedder", help="What tells names apart: `faces` for human faces; else that of the weights.")
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FOLDER", help="Answer with this folder of `dinolabel models export`: its words, thresholds, names."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Go on without being asked.")]
ServeUrl = Annotated[
    str | None,
    typer.Option(help="Address of `dinolabel serve` for Label Studio to call. Not needed: it polls.", callback=connect.callable_address),
]
PROMPT_HELP = 'What to look for: "cat face"; or label=words: "dog=dog face, puppy". Repeatable.'
Names = Annotated[list[str] | None, typer.Option("--names", help="Names to learn, comma separated.")]


def refuse_both(model: Path, weights_name: str | None, embedder: str | None = None) -> None:
    """Raises RequestError for --weights or --embedder beside --model."""
    if weights_name is not None or embedder is not None:
        raise RequestError(f"{model} brings its own weights.", hint="Leave --weights and --embedder away, or --model.")
