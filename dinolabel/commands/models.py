"""`dinolabel models`: a folder with everything that answers, for programs that have no Label Studio."""

from __future__ import annotations

from typing import Any

import typer

from dinolabel.commands import heads, weights
from dinolabel.models import export

HELP = "Weights, words, thresholds and a head in one folder: export.\n\nExample: dinolabel models export cats/ --project 1"
app = typer.Typer(no_args_is_help=True, help=HELP)
app.command("export")(export.export)

for group, commands in (("heads", heads.app.registered_commands), ("weights", weights.app.registered_commands)):
    for each in commands:
        if each.callback and each.name not in ("approve", "policy"):  # words of 0.1, understood for one release more
            told: Any = f"It is `dinolabel {group} {each.name}` now."  # click takes the words, typer declares a bool
            app.command(each.name, hidden=True, deprecated=told)(each.callback)
