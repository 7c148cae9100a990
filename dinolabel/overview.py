"""Overview of the command line: which commands stand first in `dinolabel --help`, in which groups the others are, and what each is for.

Words only: it imports no command.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from typer.core import TyperGroup

from dinolabel import commands

COMMON = {
    "up": "Label a folder of photos: starts Label Studio, opens the browser.",
    "init": "Make a project on a Label Studio that runs.",
    "attach": "Join a project that exists.",
    "detect": "Boxes, and names once trained, on pictures and films.",
    "app": "Try words, thresholds and heads in the browser.",
    "train": "Learn the names of approved boxes.",
    "export": "Write approved boxes as crops, COCO, YOLO, …",
    "import": "Bring approved boxes in.",
    "doctor": "Check settings, weights and Label Studio, with the fix.",
}
GROUPS = {
    "Projects": ("detach", "names", "prompt", "hotkeys", "forget"),
    "Boxes": ("preannotate", "serve", "auto-accept", "pause", "select", "find", "label-issues", "effort"),
    "Models": ("heads", "distil", "students", "weights", "models", "jobs"),
    "Videos": ("bootstrap", "exclude-crops"),
    "To learn": ("demo", "help"),
}
OTHERS = "Others"
_MEANT: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("predict infer inference classify", {"detect": "one folder", "preannotate": "a project"}),
    ("label annotate autolabel prelabel", {"up": "a folder of photos", "preannotate": "a project"}),
    ("start run launch open", {"up": "a folder of photos", "serve": "for a Label Studio that runs"}),
    ("server backend", {"serve": "the backend"}),
    ("fit learn retrain finetune", {"train": "a head on approved names"}),
    ("evaluate eval metrics stats", {"heads show": "a head", "effort": "people's work"}),
    ("ui gui web webui gradio", {"app": "in the browser"}),
    ("check status diagnose test", {"doctor": "what is set up"}),
    ("connect join link", {"attach": "a project that exists"}),
    ("disconnect leave unlink", {"detach": "a project"}),
    ("create new project", {"init": "a new project", "attach": "one that exists"}),
    ("delete remove erase rm", {"forget": "somebody", "names remove": "a name without boxes"}),
    ("download fetch pull", {"weights fetch": "weights"}),
    ("convert", {"weights convert": "weights", "export": "boxes"}),
    ("rollback undo", {"heads rollback": "the head before"}),
    ("track video film", {"detect": "a film", "bootstrap": "a class from each video"}),
    ("load upload", {"import": "boxes approved elsewhere", "up": "a folder of photos"}),
    ("save dump", {"export": "approved boxes"}),
    ("version", {"--version": "the version"}),
)
SYNONYMS: Mapping[str, Mapping[str, str]] = {word: meant for words, meant in _MEANT for word in words.split()}
"""What people type who come from other tools -> the commands that do it, each with what for."""


def plugins() -> dict[str, str]:
    """Command -> plug-in. A file of ours has an underscore where its command has a hyphen."""
    own = commands.PLUGINS.own_names()
    return {name.replace("_", "-") if name in own else name: name for name in commands.PLUGINS.names()}


def command_names() -> list[str]:
    """Names of the commands, ours and those of packages, in the order of the overview."""
    return order(plugins())


def group(command: str) -> str:
    """The heading that a command stands under in `dinolabel help --all`."""
    if command in COMMON:
        return "Common"
    return next((name for name, commands in GROUPS.items() if command in commands), OTHERS)


def order(commands: Iterable[str]) -> list[str]:
    """In the order of the overview; those that it does not know come last."""
    known = [*COMMON, *(each for commands in GROUPS.values() for each in commands)]
    return sorted(commands, key=lambda each: (known.index(each) if each in known else len(known), each))


def suggestion(word: str, commands: Iterable[str]) -> str | None:
    """`'detect' (one folder) or 'preannotate' (a project)` for what another tool calls so; None where nothing is known."""
    there = set(commands)
    found = SYNONYMS.get(word.casefold().lstrip("-"), {})
    told = [f"'{name}' ({what})" for name, what in found.items() if name.startswith("--") or name.partition(" ")[0] in there]
    return " or ".join(told) or None


def text(commands: Iterable[str], *, width: int | None = None, outside: Iterable[tuple[str, str]] = ()) -> str:
    """What `dinolabel --help` prints: at most 40 lines of 80 columns, every command named.

    outside: (kind, names) of the plug-ins that installed packages bring.
    """
    there, columns = set(commands), min(width or shutil.get_terminal_size().columns, 100)
    lines = ["Usage: dinolabel [OPTIONS] COMMAND …", "", "From pictures and a text prompt to your own detector, inside Label Studio.", ""]
    lines += ['Example: dinolabel up ~/Pictures/party --prompt "human face" --names jason,lacy', "", "Common commands:"]
    lines += [_row(name, what, columns) for name, what in COMMON.items() if name in there]
    lines += ["", "More commands:"]
    others = [each for each in order(there) if group(each) == OTHERS]
    for name, members in {**GROUPS, OTHERS: tuple(others)}.items():
        shown = [each for each in members if each in there]
        lines += [_row(name.lower(), ", ".join(shown), columns)] if shown else []
    brought = [_row(kind, names, columns, indent=18) for kind, names in outside]
    lines += ["", "From installed packages:", *brought] if brought else []
    lines += ["", "Options (before the command):"]
    lines += [_row(name, what, columns, indent=24) for name, what in OPTIONS.items()]
    lines += ["", "dinolabel help --all      what each command does", "dinolabel COMMAND --help  its options"]
    return "\n".join(lines)


OPTIONS = {
    "-v, --verbose": "Say more about the work, on stderr.",
    "--debug": "Say everything; show where an error came from.",
    "--version": "Print the version and stop.",
    "--install-completion": "Teach your shell to complete commands and options.",
    "--show-completion": "Print what --install-completion would add.",
}


def _row(name: str, what: str, columns: int, *, indent: int = 14) -> str:
    return textwrap.fill(what, columns, break_on_hyphens=False, initial_indent=f"  {name:{indent - 2}}", subsequent_indent=" " * indent)


class Overview(TyperGroup):
    """The top level: a help of one screen, and a suggestion for what other tools call a command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """In place of the panels of every command, which `dinolabel help --all` shows."""
        from dinolabel.doctor import plugins as outside

        shown = [name for name, each in self.commands.items() if not each.hidden] or command_names()
        formatter.write(text(shown, outside=outside.listed()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = not args or ctx.resilient_parsing or self.get_command(ctx, args[0]) is not None
        told = None if known else suggestion(args[0], self.commands)
        if told is not None:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {told}?")
        return super().resolve_command(ctx, args)
