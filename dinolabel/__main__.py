"""The command `dinolabel`: finds the commands in `dinolabel/commands/`, runs one, and turns errors into a sentence and an exit code.

A command is a file there, or a module that an installed package names: it has `command` (a function, registered under the file's name)
or `app` (a typer.Typer with sub-commands). It must import heavy libraries inside its functions, because `dinolabel help --all` imports
every file; a command that is named imports its own alone, and `dinolabel --help` none.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dinolabel import commands, logging_setup, overview
from dinolabel.cli import console, exit_codes
from dinolabel.vision.errors import DinolabelError

TELL_THEIR_WORK = {"serve", "train"}  # they run for long, or into a log file
TELL_FAILURES = {"export", "preannotate"}  # by themselves, in words; the log of each is a file
RENAMED = {
    "accept": ("auto-accept", "command"),
    "drop": ("exclude-crops", "command"),
    "publish": ("heads approve", "publish"),
    "report": ("effort", "command"),
    "suspects": ("label-issues", "command"),
    "varied": ("select --diverse", "select_diverse"),
}
"""Words of 0.1, understood for one release more: the command that each is now, and its function."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
MAKE_ROOM = "Make room there, then run the same command again: what was there before is whole."
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
UNFORESEEN = "This is a fault of ours: run it again with --debug and report what it says."


def bare_application() -> typer.Typer:
    """Without a command: what is before them, and an overview that names them."""
    app = typer.Typer(
        name="dinolabel", cls=overview.Overview, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
    )
    app.callback()(_overall)
    return app


def application(*only: str) -> typer.Typer:
    """The whole command line. only: without the other commands. A package's command that cannot be imported costs a warning."""
    app, plugins = bare_application(), overview.plugins()
    old = RENAMED.keys() - plugins.keys()
    for name in only or overview.command_names():
        if name in old:
            continue
        try:
            module = commands.PLUGINS.load(plugins[name])
        except DinolabelError as error:
            if only or not commands.PLUGINS.plugin(plugins[name]).package:
                raise
            console.err.print(console.warn("Warning:"), console.printable(error), soft_wrap=True)
            continue
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, rich_help_panel=overview.group(name))
        else:
            app.command(name, rich_help_panel=overview.group(name))(module.command)
    for name in old & {*(only or old)}:
        now, function = RENAMED[name]
        told: Any = f"It is `dinolabel {now}` now."  # click takes the words, typer declares a bool
        app.command(name, hidden=True, deprecated=told)(getattr(commands.PLUGINS.load(plugins[now.split()[0]]), function))
    return app


def _tell_version(wanted: bool) -> None:
    if wanted:
        from dinolabel.release import __version__

        console.out.print(f"dinolabel {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and stop.")]


def _overall(
    context: typer.Context,
    show_version: Version = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about the work, on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Say everything; show where an error came from.")] = False,
) -> None:
    """From pictures and a text prompt to your own detector, inside Label Studio.

    Example: dinolabel up ~/Pictures/party --prompt "human face" --names jason,lacy
    """
    command = context.invoked_subcommand
    usual = "info" if command in TELL_THEIR_WORK else "critical" if command in TELL_FAILURES else "warning"
    logging_setup.configure("debug" if debug else "info" if verbose else usual)


def _application_for(arguments: Sequence[str]) -> typer.Typer:
    """With the command that a line names alone, when there is one; with none where it has options only, for the overview is words; else
    with all, to tell which there are. A shell that completes asks without arguments."""
    first = next((each for each in arguments if not each.startswith("-")), None)
    if arguments and first is None:
        return bare_application()
    return application(first) if first in (*overview.command_names(), *RENAMED) else application()


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are told on stderr, never as a traceback unless asked for."""
    debug = "--debug" in arguments
    plain = ["--debug", *(each for each in arguments if each != "--debug")] if debug else list(arguments)
    try:
        _application_for(plain)(plain, prog_name="dinolabel")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except DinolabelError as error:
        if debug:
            console.err.print_exception()
        console.print_error(error)
        return exit_codes.code(error)
    except Exception as error:  # noqa: BLE001 - the outermost border: a person gets a sentence, not a stack
        if debug:
            console.err.print_exception()
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            where = f" for {Path(error.filename).name}" if isinstance(error.filename, str) else ""
            console.print_error(DinolabelError(f"There is no room on the disk{where}.", hint=MAKE_ROOM))
            return exit_codes.OTHER
        sentence = f"Something we did not foresee: {type(error).__name__}: {logging_setup.mask_text(str(error))}"
        console.print_error(DinolabelError(sentence, hint=UNFORESEEN))
        return UNEXPECTED
    return 0


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
