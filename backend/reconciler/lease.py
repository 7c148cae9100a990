"""Writer's lease: one writer per project among backends that share nothing but Label Studio: the oldest live lease writes, the others
say so and wait."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from dinolabel.backend.project_registry import ProjectBusy
from dinolabel.studio.errors import StudioRefused

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio

log = structlog.get_logger(__name__)

RENEW_SECONDS = 20.0
"""Well below what a lease lives without being renewed."""


class LeaseHeldByOther(ProjectBusy):
    """Another backend writes to the project."""

    hint = "Stop one of the two, or leave the project here: `dinolabel detach --project N`. This one takes over when the other is gone."


class WriterLease:
    """owner: of this data folder, so that a restart is the same owner. clock: seconds, for how old our last look is."""

    def __init__(self, studio: LabelStudio, owner: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._studio, self._owner, self._clock = studio, owner, clock
        self._held: dict[int, float] = {}
        self._complained = False

    def acquire(self, project: int) -> None:
        """Be the writer, or raise LeaseHeldByOther that names who is. Asks Label Studio every RENEW_SECONDS only."""
        now = self._clock()
        if now - self._held.get(project, -RENEW_SECONDS) < RENEW_SECONDS:
            return
        self._held.pop(project, None)
        try:
            first = self._studio.leases.renew(project, self._owner)[0]
        except StudioRefused as error:
            if error.status == 404:
                raise
            if not self._complained:  # an account that may not make webhooks still may push: it only cannot be warned
                log.warning("lease_refused", project=project, reason=str(error))
                self._complained = True
            return
        if first.owner != self._owner:
            raise LeaseHeldByOther(
                f"Another backend, {first.owner.rpartition('.')[0]}, writes to project {project}; this one only answers."
            )
        self._held[project] = now


def owner_of(folder: Path) -> str:
    """This data folder's own name, made once: host and a random part."""
    path = folder / "owner"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        made = f"{socket.gethostname()[:40] or 'somewhere'}.{secrets.token_hex(6)}"
        path.write_text(made + "\n", encoding="utf-8")
        return made
