"""Selection of the head, its strength and its features: every contender answers for groups it did not see, and the best macro-F1 wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dinolabel.training.data.samples import Mask, Samples
from dinolabel.training.metrics import confusions, macro_f1
from dinolabel.training.model_selection.calibration import Floats, negative_log_likelihood, temperature
from dinolabel.vision import plugins
from dinolabel.vision.loading.feature_slice import Feature
from dinolabel.vision.protocols import Head

FOLDS = 3
EACH_LEFT_OUT = 12  # so few groups are left out one by one: with three folds a fit would lose a third of very little
LEAST_TO_COMPETE = 5  # objects of every label; below it means are hard to beat and a comparison is noise
FEW = "prototype"
MOST = 8000  # rows that compete: by then a hundredth of macro-F1 shows, and more would only take longer
LEAST_GAIN = 0.01  # macro-F1 that more features must bring: twice as long rows are in every cache, reference and comparison


@dataclass(frozen=True)
class HeadCandidate:
    """One head file with one choice of its strength. words: for the receipt. feature: what of the rows it looks at; None: all."""

    name: str
    words: str
    head: Head
    feature: Feature | None = None

    def sees(self, samples: Samples) -> Samples:
        """The same rows as this head looks at them."""
        return samples.of_feature(self.feature)


@dataclass(frozen=True)
class CandidateScore:
    """macro_f1: of the best guess, no abstaining, on groups left out. log_loss: mean negative log likelihood after calibration.

    words: of the head. features: of what it looked at.
    """

    words: str
    macro_f1: float
    log_loss: float
    features: str = ""


@dataclass(frozen=True)
class Choice:
    """winner and every contender's score, best first; no scores when nobody competed."""

    winner: HeadCandidate
    scores: tuple[CandidateScore, ...]


def select_head(samples: Samples, *, seed: int) -> Choice:
    """The head to fit. The prototype alone while a label has few objects, or when there is one name or one group.

    Heads compete over the first feature; the best of them then competes over more features with itself. Of very many rows a part competes.
    """
    fewest = min(samples.objects.get(name, 0) for name in samples.names)
    if len(samples.labels_seen) < 2 or fewest < LEAST_TO_COMPETE or len(set(samples.groups)) < 2:
        return Choice(next(each for each in head_candidates(samples.first_feature) if each.name == FEW), ())
    some = _subsample(samples, seed=seed)

    def scored(each: HeadCandidate) -> CandidateScore:
        seen = each.sees(some)
        return _score(each, out_of_fold(each.head, seen, seed=seed), seen)

    tried = _evaluate_all(some, scored)
    return Choice(tried[0][0], tuple(score for _, score in tried))


def _subsample(samples: Samples, *, seed: int) -> Samples:
    """About MOST of the rows, whole groups with their share of every label; all of them where groups are few."""
    parts = -(-len(samples) // MOST)
    if parts == 1:
        return samples
    some = samples.take(next(folds(samples, seed=seed, count=parts)))
    return some if len(set(some.groups)) > EACH_LEFT_OUT and some.names == samples.names else samples


def head_candidates(feature: Feature | None = None) -> list[HeadCandidate]:
    """Every head file, in each strength that its `variants()` names, else as it is built."""
    found = []
    for name, module in plugins.all_heads():
        heads = module.variants() if hasattr(module, "variants") else {name: module.build()}
        found += [HeadCandidate(name, words, head, feature) for words, head in heads.items()]
    return found


def _evaluate_all(samples: Samples, scored: Callable[[HeadCandidate], CandidateScore]) -> list[tuple[HeadCandidate, CandidateScore]]:
    """All who competed, the winner first."""
    tried = sorted(((each, scored(each)) for each in head_candidates(samples.first_feature)), key=_rank)
    best, score = tried[0]
    for feature in samples.features[1:]:
        wider = replace(best, feature=feature)
        found = scored(wider)
        tried.append((wider, found))
        if found.macro_f1 - score.macro_f1 >= LEAST_GAIN:
            best, score = wider, found
    return sorted(tried, key=lambda each: (each[0] is not best, *_rank(each)))


def _rank(tried: tuple[HeadCandidate, CandidateScore]) -> tuple[float, float, bool]:
    """Differences below a hundredth are noise: then the head that does well with few crops is the safer one."""
    contender, score = tried
    return -round(score.macro_f1, 2), round(score.log_loss, 2), contender.name != FEW


def out_of_fold(head: Head, samples: Samples, *, seed: int) -> Floats:
    """(N, L) logits of each served row by a head that did not see its group, columns as samples.labels_seen.

    NaN for rows that are not served, and for columns of labels that are in no other group.
    """
    out = np.full((len(samples), len(samples.labels_seen)), np.nan)
    for asked in folds(samples, seed=seed):
        _answer(head, samples, asked, out, seed=seed)
    return out


def score_on(samples: Samples, asked: Mask, *, seed: int) -> CandidateScore:
    """How the best of all contenders, learnt from the other rows, does on these. asked: (N,)."""

    def scored(each: HeadCandidate) -> CandidateScore:
        seen, out = each.sees(samples), np.full((len(samples), len(samples.labels_seen)), np.nan)
        _answer(each.head, seen, asked, out, seed=seed)
        return _score(each, out, seen)

    return _evaluate_all(samples, scored)[0][1]


def _answer(head: Head, samples: Samples, asked: Mask, out: Floats, *, seed: int) -> None:
    """Fill in (N, L) logits of the asked served rows by a head that learnt from the others."""
    learnt = samples.take(~asked)
    if len(learnt):
        fitted = head.fit(learnt.embeddings, learnt.labels, seed=seed)
        seen = samples.labels_seen
        columns = np.array([seen.index(label) for label in fitted.labels])
        rows = np.flatnonzero(asked & samples.primary_view)
        out[np.ix_(rows, columns)] = fitted.logits(samples.embeddings[rows])


def folds(samples: Samples, *, seed: int, count: int | None = None) -> Iterator[Mask]:
    """Masks of the rows to leave out, whole groups together, each group once, labels spread evenly. count: FOLDS, or as EACH_LEFT_OUT says.

    Groups go, largest first, to the fold that has least of their labels (as scikit-learn's StratifiedGroupKFold does, which refuses
    labels of one crop).
    """
    groups, columns = samples.group_codes, samples.columns
    held = np.zeros((int(groups.max(initial=-1)) + 1, len(samples.labels_seen)), dtype=np.int64)
    np.add.at(held, (groups, columns), 1)
    count = count or (len(held) if len(held) <= EACH_LEFT_OUT else FOLDS)
    fold_of = _spread(held, count, seed=seed)
    for fold in range(count):
        yield np.asarray(fold_of[groups] == fold)


def _spread(held: npt.NDArray[np.int64], count: int, *, seed: int) -> npt.NDArray[np.int64]:
    shuffled = np.random.default_rng(seed).permutation(len(held))
    order: Sequence[int] = sorted(shuffled.tolist(), key=lambda group: -int(held[group].sum()))
    share = held / np.maximum(held.sum(axis=0), 1)  # of each label: a rare one weighs as much as a frequent one
    load = np.zeros((count, held.shape[1]))
    fold_of = np.zeros(len(held), dtype=np.int64)
    for group in order:
        cost = [float((load[fold] * share[group]).sum()) for fold in range(count)]
        full = [float(load[fold].sum()) for fold in range(count)]
        fold = min(range(count), key=lambda each: (cost[each], full[each], each))
        load[fold] += share[group]
        fold_of[group] = fold
    return fold_of


def _score(contender: HeadCandidate, logits: Floats, samples: Samples) -> CandidateScore:
    words, features = contender.words, contender.feature.words if contender.feature else ""
    rows = samples.measurable & np.isfinite(logits).any(axis=1)
    if not rows.any():
        return CandidateScore(words, 0.0, float(np.log(len(samples.labels_seen))), features)
    asked, truth = logits[rows], samples.columns[rows]
    labels = samples.labels_seen
    guess = [labels[at] for at in np.nanargmax(asked, axis=1)]
    true = [labels[at] for at in truth]
    table = confusions(true, guess, groups=["all"] * len(true), labels=samples.names)
    log_loss = negative_log_likelihood(asked / temperature(asked, truth), truth)
    return CandidateScore(words, float(macro_f1(table)[0]), log_loss, features)
