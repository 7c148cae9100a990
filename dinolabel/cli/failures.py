"""Tasks that failed, told reason by reason: how many, which come first, what to mend; thousands of them are as many lines as reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dinolabel.cli import words

NAMED = 3  # tasks of one reason that are named


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """task: its number, None when it has none. kind: the error's class. boxes: that it cost. passing: trying again may help."""

    task: int | None
    kind: str
    why: str
    hint: str
    boxes: int = 0
    passing: bool = False


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Failures of one kind that the same thing mends, in the order of their tasks."""

    failures: tuple[TaskFailure, ...]

    @property
    def hint(self) -> str:
        return self.failures[0].hint

    def __str__(self) -> str:
        """`12 tasks (1, 2, 3 and 9 more; 24 boxes): The picture is not there.`"""
        numbers = [str(each.task) for each in self.failures if each.task is not None]
        shown = [*numbers[:NAMED], *([f"{len(numbers) - NAMED:,} more"] if len(numbers) > NAMED else [])]
        boxes = sum(each.boxes for each in self.failures)
        about = [words.join_words(shown)] if shown else []
        about += [words.count_noun(boxes, "box", "boxes")] if boxes else []
        first = self.failures[0].why
        like = "" if all(each.why == first for each in self.failures) else "for example "
        cost = f" ({about[-1]})" if boxes else ""
        told = f" ({'; '.join(about)})" if about else ""
        if len(self.failures) == 1 and numbers:
            return f"task {numbers[0]}{cost}: {first}"
        return f"{words.count_noun(len(self.failures), 'task')}{told}: {like}{first}"


def group_failures(failures: Iterable[TaskFailure]) -> list[FailureReason]:
    """By what mends them, the commonest first."""
    found: dict[tuple[str, str], list[TaskFailure]] = {}
    for each in failures:
        found.setdefault((each.kind, each.hint), []).append(each)
    return sorted((FailureReason(tuple(each)) for each in found.values()), key=lambda each: -len(each.failures))


def lines(failures: Sequence[TaskFailure]) -> Iterator[tuple[str, str]]:
    """(what, hint) of each reason."""
    return ((str(each), each.hint) for each in group_failures(failures))
