"""`dinolabel weights`: weights from the hub into a folder, and other people's files made into such a folder."""

from __future__ import annotations

import typer

from dinolabel.models import convert, fetch

HELP = "Weights of detector and embedder: fetch, convert.\n\nExample: dinolabel weights fetch --to weights"
app = typer.Typer(no_args_is_help=True, help=HELP)
app.command("fetch")(fetch.fetch)
app.command("convert")(convert.convert)
