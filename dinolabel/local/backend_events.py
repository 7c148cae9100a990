"""What the backend of `dinolabel up` tells of itself, and which of it the person at the terminal should read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinolabel.backend.project_status import FAILING

OVER = {"done": "Training is over", "failed": "Training failed", "cancelled": "Training was cancelled", "lost": "Training broke off"}
ACTIVE = frozenset({"queued", "running"})


@dataclass(frozen=True, slots=True)
class Training:
    """A job of the backend. state: queued, running, done, failed, cancelled, lost. said: its verdict, else its last words."""

    id: str
    state: str
    why: str = ""
    said: str = ""
    published: bool | None = None


@dataclass(frozen=True, slots=True)
class News:
    """One look. state, note, hint: the project's (dinolabel.backend.project_status.ProjectStatus). trainings: newest first."""

    state: str = ""
    note: str = ""
    hint: str = ""
    trainings: tuple[Training, ...] = ()

    @property
    def training(self) -> Training | None:
        """The one that runs now."""
        return next((each for each in self.trainings if each.state == "running"), None)

    @classmethod
    def of(cls, told: Mapping[str, Any], project: int) -> News:
        """Out of the JSON of /jobs. Raises KeyError or TypeError for another shape."""
        mine: Mapping[str, Any] = next((each for each in told["projects"] if each["project"] == project), {})
        jobs = [each for each in told["jobs"] if each["project"] == project and each["kind"] == "train"]
        trainings = tuple(
            Training(each["id"], each["state"], each["why"], each["verdict"] or each["progress"], each["published"]) for each in jobs
        )
        return cls(mine.get("phase", ""), mine.get("note", ""), mine.get("hint", ""), trainings)


@dataclass
class Reader:
    """Remembers what was told, so that each thing is told once. What was over before the first look is no news."""

    _failing: str = ""
    _known: dict[str, str] | None = field(default=None)

    def lines(self, news: News) -> list[tuple[str, str]]:
        """(tone: ok, warn, bad or soft; sentence) of what is new since the last look."""
        return [*self._project(news), *self._trainings(news.trainings)]

    def _project(self, news: News) -> Iterable[tuple[str, str]]:
        failing = news.note if news.state in FAILING else ""
        before, self._failing = self._failing, failing
        if failing and failing != before:
            yield "bad", f"The project {'needs attention' if news.state != 'unreachable' else 'is out of reach'}: {news.note}"
            if news.hint:
                yield "soft", news.hint
        elif before and not failing:
            yield "ok", "The project is all right again."

    def _trainings(self, trainings: Iterable[Training]) -> Iterable[tuple[str, str]]:
        first, known = self._known is None, self._known or {}
        seen = {each.id: each for each in trainings}
        self._known = {each.id: each.state for each in seen.values()}
        for each in reversed(list(seen.values())):
            before = known.get(each.id)
            if before == each.state or (first and each.state not in ACTIVE):
                continue
            if each.state == "running":
                yield "ok", f"Training begins: {each.why}."
            elif each.state in OVER:
                yield _over(each)


def _over(training: Training) -> tuple[str, str]:
    if training.state == "done" and training.published is not None:
        word = "the new head is used from now on" if training.published else "the new head is not used"
        return ("ok" if training.published else "warn"), f"Training is over, {word}. {training.said}".rstrip()
    tone = "ok" if training.state == "done" else "bad" if training.state == "failed" else "warn"
    return tone, f"{OVER[training.state]}. {training.said}".rstrip()
