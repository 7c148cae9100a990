"""Write lock of a project for commands, where the backend writes too: waits for the visit under way, and says so."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel.cli import console, words
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRegistry

PATIENCE_SECONDS = 60.0
"""A visit of the backend writes for twenty seconds, longer only when Label Studio is slow."""


@contextmanager
def wait_for_write_lock(registry: ProjectRegistry, project: int) -> Iterator[None]:
    """Be the only one who writes to the project. Raises ProjectBusy when the other does not end in time."""
    from dinolabel.backend.project_registry import ProjectBusy

    with ExitStack() as stack:
        try:
            stack.enter_context(registry.write_lock(project))
        except ProjectBusy as error:
            console.err.print(console.soft(f"{error} Waiting for it, {words.duration(PATIENCE_SECONDS)} at most."), soft_wrap=True)
            stack.enter_context(registry.write_lock(project, timeout=PATIENCE_SECONDS))
        yield


@contextmanager
def only_one(folder: Path, name: str, doing: str) -> Iterator[None]:
    """Work of minutes whose half-done files lie in `folder`: raises RequestError where another process is at it. doing: in words."""
    with (folder / f"{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RequestError(
                f"{doing} is under way already for {name}.", hint="Wait for it to end; `dinolabel jobs list` shows it."
            ) from error
        yield
