"""The two consoles of the command line and the few ways it speaks: calm, aligned, few colours.

stdout carries results, stderr carries everything about the work; so a pipe gets results only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.theme import Theme

from vision.errors import DinolabelError

THEME = Theme({"ok": "green", "warn": "yellow", "bad": "red", "soft": "dim", "name": "bold", "key": "bold cyan"}, inherit=True)

out = Console(theme=THEME, highlight=False)
err = Console(theme=THEME, highlight=False, stderr=True)


def rows(pairs: Iterable[tuple[str, str]]) -> Padding:
    """Two aligned columns, the left one soft: what a plan, a status or a list of facts is printed as."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="soft", justify="left", no_wrap=True)
    grid.add_column(overflow="fold")
    for left, right in pairs:
        grid.add_row(escape(left), right)
    return Padding(grid, (0, 0, 0, 2))


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An open table: soft heads, no lines. right: columns of figures."""
    made = Table(box=None, header_style="soft", pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def bar() -> Progress:
    """A progress bar with count and time left, on stderr; silent when that is no terminal."""
    return Progress(
        SpinnerColumn(style="soft"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32, complete_style="green", finished_style="green"),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[soft]left"),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
    )


def complain(error: DinolabelError) -> None:
    """One red sentence with the error's name, by which docs/troubleshooting.md has it, and the hint under it."""
    err.print(f"[bad]{escape(str(error))}[/] [soft]({type(error).__name__})[/]", soft_wrap=True)
    if error.hint:
        err.print(f"[soft]{escape(error.hint)}[/]", soft_wrap=True)


def ask(question: str) -> bool:
    """Yes or no from a person at the terminal; Enter is yes."""
    return err.input(f"{question} [soft]\\[Y/n][/] ").strip().lower() in ("", "y", "yes", "j", "ja")


@contextmanager
def step(doing: str) -> Iterator[Callable[[str], None]]:
    """One step of a longer start: a spinner while it runs, a ticked line when it is done. Call the yielded function with what came out."""
    came_out: list[str] = []
    began = time.monotonic()
    with err.status(f"[soft]{doing}[/]", spinner="dots"):
        yield came_out.append
    took = time.monotonic() - began
    note = f"  [soft]{took:.0f} s[/]" if took >= 2 else ""
    err.print(f"[ok]✓[/] {came_out[-1] if came_out else doing}{note}", soft_wrap=True)
