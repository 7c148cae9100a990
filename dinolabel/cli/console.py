"""The two consoles of the command line and the few ways it speaks: calm, aligned, few colours.

stdout carries results, stderr carries everything about the work; so a pipe gets results only. A string is printed letter by letter,
whatever brackets, colons or control characters somebody put into a title, a label or a path; a style is given by `ok`, `soft` and so on.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.style import Style
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from dinolabel.vision.errors import DinolabelError
from dinolabel.vision.progress import Listener

THEME = Theme({"ok": "green", "warn": "yellow", "bad": "red", "soft": "dim", "name": "bold", "key": "bold cyan"}, inherit=True)

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal would obey or could not print: controls but tab and line end, reversals of the direction, halves of letters."""


SAY_SECONDS = 20.0
"""How often work is told where no spinner turns."""


class TextConsole(Console):
    """A console for which a string is only text: neither markup nor emoji codes nor control sequences in it count."""

    def __init__(self, **options: Any) -> None:
        super().__init__(theme=THEME, highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **{**options, "markup": False, "emoji": False})


def printable(text: object) -> str:
    """The text as a terminal can show it and will not obey it: control characters as `\\x1b`."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


out = TextConsole()
err = TextConsole(stderr=True)


def style(text: object, style: str) -> Text:
    """Text from anywhere in one of the theme's styles."""
    return Text(printable(text), style=style)


ok = partial(style, style="ok")
warn = partial(style, style="warn")
bad = partial(style, style="bad")
soft = partial(style, style="soft")
name = partial(style, style="name")
key = partial(style, style="key")


def link(address: str) -> Text:
    """An address that a terminal may open at a click."""
    return Text(printable(address), style=Style(link=address))


def line(*parts: str | Text) -> Text:
    """Parts with nothing between them."""
    return join(parts, "")


def join(parts: Iterable[str | Text], between: str = "; ") -> Text:
    return Text(between).join(each if isinstance(each, Text) else Text(printable(each)) for each in parts)


def rows(pairs: Iterable[tuple[str, str | Text]]) -> Padding:
    """Two aligned columns, the left one soft: what a plan, a status or a list of facts is printed as."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="soft", justify="left", no_wrap=True)
    grid.add_column(overflow="fold")
    for left, right in pairs:
        grid.add_row(left, right)
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
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=32, complete_style="green", finished_style="green"),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="soft", markup=False),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
    )


def print_error(error: DinolabelError) -> None:
    """One red sentence with the error's name, by which docs/troubleshooting.md has it, and the hint under it."""
    err.print(bad(error), soft(f"({type(error).__name__})"), soft_wrap=True)
    if error.hint:
        err.print(soft(error.hint), soft_wrap=True)


def ask(question: str) -> bool:
    """Yes or no from a person at the terminal; Enter is yes."""
    return err.input(line(f"{question} ", soft("[Y/n]"), " ")).strip().lower() in ("", "y", "yes", "j", "ja")


class Seconds(ProgressColumn):
    """How long a step takes already."""

    def render(self, task: Task) -> Text:
        return soft(f"{task.elapsed or 0:.0f} s")


@contextmanager
def progress(stage: str) -> Iterator[Listener]:
    """A bar, and the listener that moves it. stage: what it says before the first event."""
    with bar() as shown:
        line = shown.add_task(stage, total=None)
        yield lambda event: shown.update(line, description=event.stage, completed=event.done, total=event.total or None)


@contextmanager
def quiet() -> Iterator[None]:
    """In place of a step where nothing is done that takes time."""
    yield


@contextmanager
def step(doing: str) -> Iterator[Callable[[str], None]]:
    """One step of a longer start: a spinner with seconds while it runs, a ticked line when it is done; in a pipe a line now and then.

    Call the yielded function with what came out.
    """
    came_out: list[str] = []
    began = time.monotonic()
    spinner = Progress(
        SpinnerColumn("dots", style="soft"), TextColumn("{task.description}", style="soft", markup=False), Seconds(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    with spinner, say_regularly(lambda: f"{doing} … {time.monotonic() - began:.0f} s"):
        spinner.add_task(printable(doing), total=None)
        yield came_out.append
    took = time.monotonic() - began
    note = soft(f"  {took:.0f} s" if took >= 2 else "")
    err.print(ok("✓"), line(came_out[-1] if came_out else doing, note), soft_wrap=True)


@contextmanager
def say_regularly(sentence: Callable[[], str]) -> Iterator[None]:
    """Where stderr is no terminal: a line every SAY_SECONDS, so that a log shows that work goes on. sentence: the line, "" for none."""
    if err.is_terminal:
        yield
        return
    over = threading.Event()
    teller = threading.Thread(target=_say, args=(sentence, over), name="said now and then", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _say(sentence: Callable[[], str], over: threading.Event) -> None:
    while not over.wait(SAY_SECONDS):
        if line := sentence():
            err.print(line, soft_wrap=True)
