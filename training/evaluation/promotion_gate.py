"""Promotion gate, whether a candidate head may replace the current one: a pure decision with its reasons in plain words.

Both heads must not have seen those groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dinolabel.training import sentences
from dinolabel.training.evaluation.paired_bootstrap import ENOUGH_OBJECTS, Difference, difference, lost_most, stated_interval
from dinolabel.training.metrics import EvaluationReport, interval, resample_f1
from dinolabel.training.sentences import capital, mean_name

FLOOR_F1 = 0.6  # without a current head: below it a person corrects more names than the head saves
FLOOR_EVER = 0.4  # with a current head: below it a head that is no better is not worth a look, whatever is new to it
FLOOR_RECALL = 0.4  # of one label: a mean can hide a name that is never found
ENOUGH_GROUPS = 2  # held-out groups of a label before it is counted as judged
JUDGED_SHARE = 0.5  # of the labels that must be judged before a held-out report speaks for the head
FLOOR_UNKNOWN = 0.5  # of explicit unknowns, unnamed: a head that names most strangers costs trust
ONE_SIDED = 1.28  # standard errors of a loss of recall that is no chance, at 90 %: a lost name is worse than a training too many
CLEAR_LOSS = 0.1  # of a share, besides two standard errors
MARGIN = 0.05  # macro-F1: a loss that must be ruled out before a head is replaced
COARSE = 0.1  # with fewer objects than that, one crop counts for points: this much lost is too much
MEASURABLE = 100  # held-out objects from which on a loss of MARGIN can be ruled out at all
SETTLED, ENOUGH_SETTLED = 0.04, 20  # on what was approved before: this much lost, of so many objects, is too much
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
class DataChanges:
    """What the candidate has learnt from and the current has not. changed: objects that are new, gone or renamed, of so many approved.

    same: nothing at all is different, not even a box. before: objects that the current head has learnt from.
    """

    changed: int
    of: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: bool = False
    before: int = 0

    @property
    def fewer(self) -> bool:
        return self.of < self.before

    @property
    def material(self) -> bool:
        return bool(self.added or self.removed) or self.changed >= max(1.0, NEWS * self.of)


def has_enough(report: EvaluationReport | None, labels: Sequence[str]) -> bool:
    """Whether a held-out report can speak for these labels."""
    if report is None:
        return False
    judged = [label for label in labels if label in report.per_label and report.per_label[label].groups >= ENOUGH_GROUPS]
    return bool(judged) and len(judged) >= JUDGED_SHARE * len(labels)


def decide(
    candidate: EvaluationReport | None,
    current: EvaluationReport | None,
    *,
    basis: str,
    news: DataChanges | None = None,
    settled: tuple[EvaluationReport, EvaluationReport] | None = None,
    seed: int = 0,
    sources: str = "pictures",
) -> Decision:
    """Compare the candidate with the current head, or with absolute floors when there is no current one to compare.

    basis: HELD_OUT (both reports on the same groups, in the same order), LEFT_OUT (too few held-out groups: every group left out in
    turn, candidate only) or NOTHING (one picture per name: candidate is None). news: None when there is no current head.
    settled: both heads on the held-out objects that were approved when the current head was made. sources: what groups are, in a word.
    Raises ValueError when the two reports are not on the same groups.
    """
    if news is not None and news.same:
        return Decision(False, "The current head has learnt from the same approved boxes: nothing new.")
    if candidate is None:
        return Decision(True, f"There are too few {sources} per name to judge by: it is published unjudged. Name a few more soon.")
    if current is None:
        checks = [_floor(candidate, basis=basis, sources=sources, seed=seed)]
    else:
        found = difference(candidate, current, seed=seed)
        checks = [_no_loss(candidate, current, found, news, sources=sources), _worth_rollout(found, news)]
        checks += [_no_regression_on_approved(*settled, seed=seed)] if settled is not None else []
    checks += [_recall(candidate, current), *_unknown(candidate, current)] if basis == HELD_OUT else []
    failed = [check for check in checks if not check.passed]
    said = [sentences.opening(candidate, sources=sources)]
    if not failed and basis != HELD_OUT:
        said.append(f"Too few held-out {sources} to judge by, so each was left out in turn.")
    return Decision(not failed, " ".join([*said, *(check.words for check in failed or checks)]), tuple(checks))


def _floor(candidate: EvaluationReport, *, basis: str, sources: str, seed: int) -> Check:
    # with every group left out in turn the numbers are few: refuse only what even the best of its resamples condemns
    best = interval(resample_f1(candidate.confusion, seed=seed))[1]
    passed = candidate.macro_f1 >= FLOOR_F1 if basis == HELD_OUT else best >= FLOOR_F1
    figure = sentences.floor(candidate, floor=FLOOR_F1, counted=f"{_count_sentence(candidate, sources)} {basis}")
    return Check("macro-F1 floor", passed, capital(figure) if passed else f"Not good enough yet: {figure}")


def _no_loss(candidate: EvaluationReport, current: EvaluationReport, found: Difference, news: DataChanges | None, *, sources: str) -> Check:
    """A loss of MARGIN must be ruled out. With few objects that cannot be; then more approved boxes than before are taken for better, and
    only a large loss refuses."""
    both = candidate.known & current.known
    over = " over the names both know" if not found.same_labels and len(both) > 1 else ""
    low, high = stated_interval(found, candidate)
    words = (
        f"{mean_name(both)}{over} {found.candidate:.2f} against the current head's {found.current:.2f} on the same "
        f"{_count_sentence(candidate, sources)} held out ({found.point:+.2f}, 95 % interval {low:+.2f} to {high:+.2f})."
    )
    name, blamed = "no loss of macro-F1", lost_most(candidate, current)
    lenient = found.objects < MEASURABLE and not (news is not None and news.fewer)
    if found.high < 0 or (lenient and found.point < -COARSE):
        return Check(name, False, f"It would lose: {words}{blamed}")
    if not lenient and found.low <= -MARGIN and found.point < MARGIN:
        return Check(name, False, f"It may lose {MARGIN:.2f} or more: {words}{blamed}")
    if found.candidate < FLOOR_EVER and found.point < GAIN_F1:
        return Check(name, False, f"No better, and of no use: the floor is {FLOOR_EVER:.2f}: {words}")
    return Check(name, True, capital(words))


def _no_regression_on_approved(candidate: EvaluationReport, current: EvaluationReport, *, seed: int) -> Check:
    """On what was approved before, a wrong batch of labels shows: what came since may be wrong in learning and in judging alike."""
    found = difference(candidate, current, seed=seed)
    figure = f"{mean_name(candidate.known & current.known)} {found.candidate:.2f} against {found.current:.2f}"
    words = f"{figure} on the {found.objects} held-out objects approved before"
    lost = found.high < 0 or (found.point <= -SETTLED and found.objects >= ENOUGH_SETTLED)
    if lost:
        return Check("what was approved before", False, f"It forgets: {words}.{lost_most(candidate, current)} Look at the newest names.")
    return Check("what was approved before", True, f"{capital(words)}.")


def _worth_rollout(found: Difference, news: DataChanges | None) -> Check:
    if news is None or news.material or found.point >= GAIN_F1:
        return Check("worth a switch", True, _names_learnt(news))
    words = f"It is no better, and only {news.changed} of {news.of} approved boxes are news: not worth a switch."
    return Check("worth a switch", False, words)


def _names_learnt(news: DataChanges | None) -> str:
    if news is None:
        return "What is new to it is not known."
    added = f" It adds {', '.join(news.added)}." if news.added else ""
    removed = f" It no longer knows {', '.join(news.removed)}." if news.removed else ""
    return f"{news.changed} of {news.of} approved boxes are news to the current head.{added}{removed}"


def _recall(candidate: EvaluationReport, current: EvaluationReport | None) -> Check:
    """A label below the floor fails, unless the current head is not clearly better at it: then refusing would help nobody."""
    low = []
    for label, score in candidate.per_label.items():
        before = current.per_label[label].recall if current is not None and label in current.per_label else None
        if score.objects < ENOUGH_OBJECTS or score.recall >= FLOOR_RECALL:
            continue
        if before is None or _clearly_less(score.recall, before, score.objects, errors=ONE_SIDED):
            low.append(f"{label} in {round(score.recall * score.objects)} of {score.objects}")
    if low:
        return Check("recall of each label", False, f"Names hardly found: {', '.join(low)} (floor {FLOOR_RECALL:.0%}).")
    return Check("recall of each label", True, "No name is lost.")


def _unknown(candidate: EvaluationReport, current: EvaluationReport | None) -> list[Check]:
    """Explicit unknowns must mostly stay unnamed, and not clearly less so than now; nothing is asked where there are few."""
    name, mine = "unknown stays unknown", candidate.unknown
    if mine is None or mine.objects < ENOUGH_OBJECTS:
        return []
    before = current.unknown.kept if current is not None and current.unknown is not None else None
    words = f"{round(mine.kept * mine.objects)} of {mine.objects} unknown objects stay unnamed"
    words += f" (current head {round(before * mine.objects)})" if before is not None else ""
    worse = before is None or mine.kept < before
    if worse and (mine.kept < FLOOR_UNKNOWN or (before is not None and _clearly_less(mine.kept, before, mine.objects, errors=2.0))):
        return [Check(name, False, f"It names strangers: {words}; the floor is {FLOOR_UNKNOWN:.0%}.")]
    return [Check(name, True, f"{words}.")]


def _clearly_less(now: float, before: float, objects: int, *, errors: float) -> bool:
    """By more than a tenth, and by more than so many standard errors of two shares, but for one object (Yates)."""
    spread = ((now * (1 - now) + before * (1 - before)) / objects) ** 0.5
    return bool(before - now - 1 / objects > max(CLEAR_LOSS - 1 / objects, errors * spread))


def _count_sentence(report: EvaluationReport, sources: str) -> str:
    return f"{report.objects} objects of {len(report.groups)} {sources}"
