"""Write lock of a project for commands, where the backend writes too: waits for the visit under way, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dinolabel.cli import console
from dinolabel.cli import text as words

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
