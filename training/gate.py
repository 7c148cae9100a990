"""Whether a candidate head may replace the current one: a pure decision with its reasons in plain words.

Knows two reports on the same held-out groups; nothing of heads, files or stores. Both heads must not have seen those groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluate import Report, interval, macro_f1, resampled

FLOOR_F1 = 0.6  # without a current head: below it a person corrects more names than the head saves
FLOOR_RECALL = 0.4  # of one label: a mean can hide a name that is never found
ENOUGH_OBJECTS = 5  # held-out objects of a label before its own recall says anything
ENOUGH_GROUPS = 2  # held-out groups of a label before it is counted as judged
JUDGED_SHARE = 0.5  # of the labels that must be judged before a held-out report speaks for the head
MARGIN = 0.05  # macro-F1: a loss that must be ruled out before a head is replaced
GAIN_F1 = 0.01  # a switch is rarer than a training: what counts as better
NEWS = 0.05  # or as much to have learnt from: share of approved objects that the current head has not seen
HELD_OUT, LEFT_OUT, NOTHING = "held out", "left out in turn", "nothing"


@dataclass(frozen=True)
class Check:
    """One question the gate asked, and what it found."""

    name: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Decision:
    """publish, why in one sentence, and every check."""

    publish: bool
    reason: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class News:
    """What the candidate has learnt from and the current has not. changed: objects that are new, gone or renamed, of so many approved.

    same: nothing at all is different, not even a box.
    """

    changed: int
    of: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: bool = False

    @property
    def material(self) -> bool:
        return bool(self.added or self.removed) or self.changed >= max(1.0, NEWS * self.of)


def enough(report: Report | None, labels: Sequence[str]) -> bool:
    """Whether a held-out report can speak for these labels."""
    if report is None:
        return False
    judged = [label for label in labels if label in report.per_label and report.per_label[label].groups >= ENOUGH_GROUPS]
    return bool(judged) and len(judged) >= JUDGED_SHARE * len(labels)


def decide(
    candidate: Report | None,
    current: Report | None,
    *,
    basis: str,
    news: News | None = None,
    settled: tuple[Report, Report] | None = None,
    seed: int = 0,
    sources: str = "pictures",
) -> Decision:
    """Compare the candidate with the current head, or with absolute floors when there is no current one to compare.

    basis: HELD_OUT (both reports on the same groups, in the same order), LEFT_OUT (too few held-out groups: every group left out in
    turn, candidate only) or NOTHING (one picture per name: candidate is None). news: None when there is no current head. sources: what the
    groups are, in a word.
    Raises ValueError when the two reports are not on the same groups.
    """
    if news is not None and news.same:
        return Decision(False, "The current head has learnt from the same approved boxes: nothing new.")
    if candidate is None:
        return Decision(True, f"There are too few {sources} per name to judge by: it is published unjudged. Name a few more soon.")
    if current is None:
        checks = [_floor(candidate, basis=basis, sources=sources)]
    else:
        found = difference(candidate, current, seed=seed)
        checks = [_no_loss(candidate, found, sources=sources), _worth(found, news)]
    checks += [_recall(candidate, current)] if basis == HELD_OUT else []
    failed = [check for check in checks if not check.passed]
    if failed:
        return Decision(False, " ".join(check.words for check in failed), tuple(checks))
    few = "" if basis == HELD_OUT else f"Too few held-out {sources} to judge by, so each was left out in turn. "
    return Decision(True, few + " ".join(check.words for check in checks), tuple(checks))


@dataclass(frozen=True)
class Difference:
    """Macro-F1 over the labels that both heads know; low, high: interval of candidate minus current on the same resampled groups.

    same_labels: neither head knows a label that the other does not.
    """

    candidate: float
    current: float
    low: float
    high: float
    same_labels: bool

    @property
    def point(self) -> float:
        return self.candidate - self.current


def difference(candidate: Report, current: Report, *, seed: int) -> Difference:
    """Raises ValueError when the two reports are not on the same groups."""
    if candidate.groups != current.groups:
        raise ValueError("expected two reports on the same groups")
    both = sorted(candidate.known & current.known)
    tables = [_narrowed(each, both) for each in (candidate, current)]
    first, second = (float(macro_f1(table.sum(axis=0)[None])[0]) for table in tables)
    low, high = interval(macro_f1(resampled(tables[0], seed=seed)) - macro_f1(resampled(tables[1], seed=seed)))
    return Difference(first, second, low, high, candidate.known == current.known)


def _floor(candidate: Report, *, basis: str, sources: str) -> Check:
    low, high = candidate.macro_f1_interval
    # with every group left out in turn the numbers are few: refuse only what even its best case condemns
    passed = candidate.macro_f1 >= FLOOR_F1 if basis == HELD_OUT else high >= FLOOR_F1
    words = (
        f"acro-F1 {candidate.macro_f1:.2f} (95 % interval {low:.2f} to {high:.2f}) on {_counted(candidate, sources)} {basis}; "
        f"the floor is {FLOOR_F1:.2f}."
    )
    return Check("macro-F1 floor", passed, f"M{words}" if passed else f"Not good enough yet: m{words}")


def _no_loss(candidate: Report, found: Difference, *, sources: str) -> Check:
    over = "" if found.same_labels else " over the names both know"
    words = (
        f"acro-F1{over} {found.candidate:.2f} against the current head's {found.current:.2f} on the same {_counted(candidate, sources)} "
        f"held out ({found.point:+.2f}, 95 % interval {found.low:+.2f} to {found.high:+.2f})."
    )
    return Check("no loss of macro-F1", found.high >= 0, f"M{words}" if found.high >= 0 else f"It would lose: m{words}")


def _worth(found: Difference, news: News | None) -> Check:
    if news is None or news.material or found.point >= GAIN_F1:
        return Check("worth a switch", True, _learnt(news))
    words = f"It is no better, and only {news.changed} of {news.of} approved boxes are news: not worth a switch."
    return Check("worth a switch", False, words)


def _learnt(news: News | None) -> str:
    if news is None:
        return "What is new to it is not known."
    added = f" It adds {', '.join(news.added)}." if news.added else ""
    removed = f" It no longer knows {', '.join(news.removed)}." if news.removed else ""
    return f"{news.changed} of {news.of} approved boxes are news to the current head.{added}{removed}"


def _recall(candidate: Report, current: Report | None) -> Check:
    """A label below the floor fails, unless the current head is no better at it: then refusing would help nobody."""
    low = []
    for label, score in candidate.per_label.items():
        before = current.per_label[label].recall if current is not None and label in current.per_label else None
        if score.objects >= ENOUGH_OBJECTS and score.recall < FLOOR_RECALL and (before is None or score.recall < before):
            low.append(f"{label} in {round(score.recall * score.objects)} of {score.objects}")
    if low:
        return Check("recall of each label", False, f"Names hardly found: {', '.join(low)} (floor {FLOOR_RECALL:.0%}).")
    return Check("recall of each label", True, "No name is lost.")


def _narrowed(report: Report, labels: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Confusions over these labels only: rows of others dropped, answers of others counted as unknown."""
    at = [report.labels.index(label) for label in labels]
    rest = [column for column in range(len(report.labels) + 1) if column not in at]
    rows = report.confusion[:, [*at, len(report.labels)], :]
    return np.concatenate([rows[:, :, at], rows[:, :, rest].sum(axis=2, keepdims=True)], axis=2)


def _counted(report: Report, sources: str) -> str:
    return f"{report.objects} objects of {len(report.groups)} {sources}"
