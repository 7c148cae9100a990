"""What people answered in a project, read once and then only where something changed: approved names, who did how much, disagreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dinolabel.backend.timestamps import parse_timestamp
from dinolabel.studio.calls.tabs import DISAGREEMENTS
from dinolabel.studio.errors import StudioDenied, StudioRefused
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.reviews.decisions import ReviewedBox, review_task
from dinolabel.studio.reviews.people import PersonCounts, add_people, answers_of, count_people

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, TaskRow

MOST_AT_ONCE = 500
"""Answered tasks read for the page in one visit; the next visit goes on (0.5 s per 1,000 tasks, measured)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One task. changed: when it was read last changed. approved: when each name was approved. names: how many boxes of each."""

    changed: datetime
    approved: tuple[datetime, ...] = ()
    names: Mapping[str, int] = field(default_factory=dict)
    disagreements: int = 0
    people: tuple[PersonCounts, ...] = ()


@dataclass(frozen=True, slots=True)
class NameCount:
    """A label to learn: its approved boxes, and the pictures they are on."""

    name: str
    boxes: int
    pictures: int


@dataclass(frozen=True, slots=True)
class Summary:
    """names: as the label config has them. by_answers: tasks without an answer, with one, …, with `asked` or more.

    asked: answers that Label Studio waits for, the most of any task. disagreements: objects that people gave different names.
    unread: answered tasks that are not counted yet. people: who did most first. disputed: tasks that hold disagreements.
    """

    names: tuple[NameCount, ...] = ()
    by_answers: tuple[int, ...] = ()
    asked: int = 1
    disagreements: int = 0
    unread: int = 0
    people: tuple[PersonCounts, ...] = ()
    disputed: tuple[int, ...] = ()


@dataclass(slots=True)
class _Known:
    """What was read of one project, and the label config it was read with."""

    label_config: LabelConfig
    tasks: dict[int, Answered] = field(default_factory=dict)


class Answers:
    """Remembers what it read, per project; in memory only."""

    def __init__(self, studio: LabelStudio) -> None:
        self._studio = studio
        self._known: dict[int, _Known] = {}
        self._people: dict[str, str] = {}
        self._shown: dict[int, tuple[tuple[int, ...], str | None]] = {}

    def approvals(self, project: int, config: LabelConfig, rows: Sequence[TaskRow], since: datetime) -> list[datetime]:
        """When names were approved, of at least all tasks that changed after ``since``. Raises StudioError."""
        tasks = self._refreshed(project, config, rows, lambda at: at > since)
        return [at for each in tasks.values() for at in each.approved]

    def summary(self, project: int, config: LabelConfig, rows: Sequence[TaskRow]) -> Summary:
        """Of all tasks that were read so far, some more of them each time. Raises StudioError."""
        tasks = self._refreshed(project, config, rows, lambda at: True, most=MOST_AT_ONCE)
        asked = max((each.asked for each in rows), default=1)
        numbers = Counter(min(each.answers, asked) for each in rows)
        return Summary(
            names=tuple(_count(name, tasks.values()) for name in config.learnt),
            by_answers=tuple(numbers[each] for each in range(asked + 1)),
            asked=asked,
            disagreements=sum(each.disagreements for each in tasks.values()),
            unread=sum(1 for row in rows if row.annotated) - len(tasks),
            people=tuple(self._named(add_people(one for each in tasks.values() for one in each.people))),
            disputed=tuple(sorted(task for task, each in tasks.items() if each.disagreements)),
        )

    def show_disputed(self, project: int, disputed: tuple[int, ...]) -> str | None:
        """Let our tab of disagreements hold these tasks, where they changed; its address, None without any. Raises StudioError."""
        known = self._shown.get(project)
        if known is None or known[0] != disputed:
            known = self._shown[project] = (disputed, self._studio.tabs.show_or_remove(project, DISAGREEMENTS, disputed))
        return known[1]

    def _named(self, people: Iterable[PersonCounts]) -> Iterator[PersonCounts]:
        """With e-mail addresses for numbers, where the token may read them."""
        for each in people:
            if each.who.isdigit() and each.who not in self._people:
                self._people = {each.who: each.who, **self._people, **self._asked_names()}
            yield replace(each, who=self._people.get(each.who, each.who))

    def _asked_names(self) -> dict[str, str]:
        try:
            return {str(each.id): each.email for each in self._studio.users.list()}
        except (StudioDenied, StudioRefused):
            return {}

    def _refreshed(
        self, project: int, config: LabelConfig, rows: Sequence[TaskRow], due: Callable[[datetime], bool], most: int | None = None
    ) -> Mapping[int, Answered]:
        """Read the answered tasks that are due and changed since they were read; what is known then. most: so many, the newest first."""
        known = self._known.get(project)
        if known is None or known.label_config != config:
            known = self._known[project] = _Known(config)
        answered = {each.id: parse_timestamp(each.updated_at) for each in rows if each.annotated}
        for gone in known.tasks.keys() - answered.keys():
            del known.tasks[gone]
        stale = [task for task, at in answered.items() if due(at) and (task not in known.tasks or known.tasks[task].changed != at)]
        stale = sorted(stale, key=lambda task: answered[task], reverse=True)[:most] if most is not None else stale
        known.tasks.update({task: Answered(answered[task]) for task in stale})
        for task in self._studio.projects.export(project, tasks=stale) if stale else ():
            known.tasks[task["id"]] = _answered(task, config, answered[task["id"]])
        return known.tasks


def approved_name(judged: ReviewedBox) -> bool:
    return judged.verdict == "approved" and judged.kind == "named"


def _answered(task: Mapping[str, object], config: LabelConfig, changed: datetime) -> Answered:
    found = review_task(dict(task), config)
    named = [each for each in found.boxes if approved_name(each)]
    names = Counter(each.label for each in named if each.label is not None)
    people = tuple(count_people(answers_of(task, config), task, config))
    return Answered(changed, tuple(parse_timestamp(each.at) for each in named), names, len(found.conflicts), people)


def _count(name: str, tasks: Iterable[Answered]) -> NameCount:
    boxes = [each.names.get(name, 0) for each in tasks]
    return NameCount(name, sum(boxes), sum(1 for each in boxes if each))
