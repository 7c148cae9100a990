"""What a command says before it starts: what it will do, what it leaves alone, what it downloads, how long it takes.

Only words: it does nothing itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from dinolabel.cli import console
from dinolabel.settings import env_file
from dinolabel.vision.errors import RequestError


@dataclass(frozen=True, slots=True)
class Plan:
    """title: what the command is about to do, one line. lines: (verb, text); a verb that repeats is shown once."""

    title: str
    lines: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, title: str, *parts: Iterable[tuple[str, str]]) -> Plan:
        return cls(title, tuple(line for part in parts for line in part))

    def show(self) -> None:
        """Print it on stderr, aligned."""
        console.err.print()
        console.err.print(console.name(self.title))
        console.err.print(console.rows(self._once()))
        if (file := env_file()) is not None:  # it is taken from wherever one stands
            console.err.print(console.soft(f"With the settings in {file}"))
        console.err.print()

    def _once(self) -> Iterable[tuple[str, str]]:
        before = ""
        for verb, text in self.lines:
            yield ("" if verb == before else verb), text
            before = verb


def confirm(*, yes: bool, question: str = "Go on?") -> bool:
    """Ask the person at the terminal, unless --yes was given. Raises RequestError where nobody can answer."""
    if yes:
        return True
    if not (sys.stdin.isatty() and console.err.is_terminal):
        raise RequestError("Nothing was done: there is no terminal to ask at.", hint="Add --yes to go on without being asked.")
    return console.ask(question)
