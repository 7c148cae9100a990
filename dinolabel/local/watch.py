"""Says in one line how far a project is: pictures with boxes, pictures done, names learnt. For the person who looks at the terminal.

Knows Label Studio's cheap listing and the store; changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from dinolabel import console, words
from vision.errors import DinolabelError

if TYPE_CHECKING:
    from backend.projects import Projects
    from studio.client import Studio
    from vision.store import Store

LOOK_SECONDS = 2.0
CALM_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Progress:
    """pictures: tasks. boxed: how many have predictions of ours. done: how many a person submitted. names: what the head knows now."""

    pictures: int
    boxed: int
    done: int
    names: tuple[str, ...] = ()


def look(studio: Studio, projects: Projects, store: Store, project: int) -> Progress:
    entry = projects.get(project)
    ours = frozenset(entry.versions) if entry else frozenset()
    rows = list(studio.tasks(project))
    current = store.current(str(project))
    names = next((each.labels for each in store.history(str(project)) if each.id == current), ())
    return Progress(
        len(rows), sum(1 for row in rows if row.versions & ours or row.annotated), sum(1 for row in rows if row.annotated), names
    )


@dataclass
class Rate:
    """How long the rest takes, from what was seen since the first look."""

    began: float = field(default_factory=time.monotonic)
    first: int | None = None

    def left(self, progress: Progress, now: float) -> float | None:
        """Seconds, or None as long as nothing can be said."""
        if self.first is None:
            self.first, self.began = progress.boxed, now
        made = progress.boxed - self.first
        if made < 3 or progress.boxed >= progress.pictures:
            return None
        return (now - self.began) / made * (progress.pictures - progress.boxed)


def told(progress: Progress, left: float | None) -> str:
    """The line."""
    parts = [f"{progress.done:,} of {words.counted(progress.pictures, 'picture')} done"]
    if progress.boxed < progress.pictures:
        rest = f", {words.duration(left)} left" if left else ""
        parts.append(f"boxes on {progress.boxed:,}{rest}")
    parts.append(f"knows {words.listed(progress.names)}" if progress.names else "no names learnt yet")
    return "   ".join(parts)


def until_stopped(look: Callable[[], Progress], check: Callable[[], None]) -> None:
    """Keep the line true for ever. check: raises when a process of ours is gone. A look that fails is tried again."""
    rate, shown = Rate(), ""
    with Live(console=console.err, auto_refresh=False, transient=True) as live:
        while True:
            check()
            try:
                progress = look()
            except DinolabelError:
                check()
                time.sleep(LOOK_SECONDS)
                continue
            line = told(progress, rate.left(progress, time.monotonic()))
            if console.err.is_terminal:
                live.update(Text(f"  {line}", style="soft"), refresh=True)
            elif line != shown:
                console.err.print(line)
            shown = line
            time.sleep(LOOK_SECONDS if progress.boxed < progress.pictures else CALM_SECONDS)
