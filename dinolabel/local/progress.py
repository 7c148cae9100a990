"""Says in one line how far a project is: pictures with boxes, pictures done, names learnt. For the person who looks at the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from dinolabel.cli import console, words
from dinolabel.local.backend_events import News, Reader
from dinolabel.vision.errors import DinolabelError

if TYPE_CHECKING:
    from dinolabel.backend.project_registry import ProjectRegistry
    from dinolabel.studio.client import LabelStudio
    from dinolabel.vision.bundles.registry import BundleStore

LOOK_SECONDS = 2.0
CALM_SECONDS = 8.0
STALLED_SECONDS, STALLED_PICTURES = 20.0, 5
"""Without a new picture for so long, and for as long as so many took, nothing is promised about the rest."""


@dataclass(frozen=True, slots=True)
class ProjectProgress:
    """pictures: tasks. boxed: how many have predictions of ours. done: how many a person submitted. names: what the head knows now."""

    pictures: int
    boxed: int
    done: int
    names: tuple[str, ...] = ()


def look(studio: LabelStudio, projects: ProjectRegistry, store: BundleStore, project: int) -> ProjectProgress:
    entry = projects.get(project)
    ours = frozenset(entry.versions) if entry else frozenset()
    rows = list(studio.tasks.list(project))
    current = store.current(str(project))
    names = next((each.labels for each in store.history(str(project)) if each.id == current), ())
    return ProjectProgress(
        len(rows), sum(1 for row in rows if row.versions & ours or row.annotated), sum(1 for row in rows if row.annotated), names
    )


@dataclass
class Rate:
    """How long the rest takes, from what was seen since the first look."""

    began: float = field(default_factory=time.monotonic)
    first: int | None = None
    last: tuple[int, float] = (0, 0.0)

    def left(self, progress: ProjectProgress, now: float) -> float | None:
        """Seconds, or None as long as nothing can be said."""
        if self.first is None:
            self.first, self.began = progress.boxed, now
        if progress.boxed != self.last[0]:
            self.last = (progress.boxed, now)
        made = progress.boxed - self.first
        if made < 3 or progress.boxed >= progress.pictures:
            return None
        each = (self.last[1] - self.began) / made
        if now - self.last[1] > max(STALLED_SECONDS, STALLED_PICTURES * each):  # what is left cannot be read: that is said by its own line
            return None
        return each * (progress.pictures - progress.boxed)


def progress_line(progress: ProjectProgress, left: float | None, training: float | None = None) -> str:
    """The line. left: seconds until all have boxes. training: for how many seconds a training runs already; None for none."""
    parts = [f"{progress.done:,} of {words.count_noun(progress.pictures, 'picture')} done"]
    if progress.boxed < progress.pictures:
        rest = f", {words.duration(left)} left" if left else ""
        parts.append(f"boxes on {progress.boxed:,}{rest}")
    parts.append(f"knows {words.join_words(progress.names)}" if progress.names else "no names learnt yet")
    if training is not None:
        parts.append(f"training for {words.duration(training)}")
    return "   ".join(parts)


TONES = {"ok": console.ok, "warn": console.warn, "bad": console.bad, "soft": console.soft}


class Watch:
    """look: how far the project is. news: what the backend tells. check: raises when a process of ours is gone."""

    def __init__(
        self,
        look: Callable[[], ProjectProgress],
        news: Callable[[], News],
        check: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._news, self._check, self._clock = look, news, check, clock
        self._rate, self._reader = Rate(), Reader()
        self._training: tuple[str, float] | None = None
        self._line, self._said_at = "", float("-inf")

    def until_stopped(self) -> None:
        """Keep the line true for ever. A look that fails is tried again."""
        with Live(console=console.err, auto_refresh=False, transient=True) as live:
            while True:
                self._check()
                try:
                    progress, news = self._look(), self._news()
                except DinolabelError:
                    self._check()
                    time.sleep(LOOK_SECONDS)
                    continue
                self.tell(progress, news, live)
                time.sleep(LOOK_SECONDS if progress.boxed < progress.pictures or news.training else CALM_SECONDS)

    def tell(self, progress: ProjectProgress, news: News, live: Live) -> None:
        """What is new on lines of its own, then the line that stays true."""
        now = self._clock()
        for tone, sentence in self._reader.lines(news):
            console.err.print(TONES[tone](sentence), soft_wrap=True)
        line = progress_line(progress, self._rate.left(progress, now), self._training_seconds(news, now))
        if console.err.is_terminal:
            live.update(Text(f"  {line}", style="soft"), refresh=True)
        elif self._due(progress, news, line, now):
            console.err.print(line, soft_wrap=True)
            self._line, self._said_at = line, now

    def _due(self, progress: ProjectProgress, news: News, line: str, now: float) -> bool:
        """In a pipe: the first, then every SAY_SECONDS while something goes on; a log that runs for days is not filled."""
        going_on = progress.boxed < progress.pictures or news.training is not None or line != self._line
        return going_on and now - self._said_at >= console.SAY_SECONDS

    def _training_seconds(self, news: News, now: float) -> float | None:
        training = news.training
        if training is None:
            self._training = None
            return None
        if self._training is None or self._training[0] != training.id:
            self._training = (training.id, now)
        return now - self._training[1]
