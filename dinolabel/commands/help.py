"""`dinolabel help`: the overview, every command in a line, or one command's options."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dinolabel import overview
from dinolabel.vision.errors import RequestError


def command(
    names: Annotated[list[str] | None, typer.Argument(metavar="COMMAND...", help="Whose options to show, such as `models export`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Say of every command what it does.")] = False,
) -> None:
    """Say which commands there are; with a command, what its options are.

    Example: dinolabel help --all
    """
    import typer.main
    from typer.core import TyperGroup

    from dinolabel.__main__ import application

    root: Any = typer.main.get_command(application())
    context = root.make_context("dinolabel", [], resilient_parsing=True)
    if every:
        TyperGroup.format_help(root, context, context.make_formatter())
    else:
        typer.echo(_help_of(root, context, names or []))


def _help_of(found: Any, context: Any, names: list[str]) -> str:
    """Raises RequestError for a command that is not there."""
    for name in names:
        below = getattr(found, "commands", {})
        if name not in below:
            told = overview.suggestion(name, below)
            hint = f"Did you mean {told}?" if told else "`dinolabel help --all` lists them."
            raise RequestError(f"There is no command {context.command_path} {name}.", hint=hint)
        found = below[name]
        context = found.make_context(name, [], parent=context, resilient_parsing=True)
    return str(found.get_help(context))
