"""The gate put to the test: heads whose worth is known from thousands of clean crops, judged on what the gate would have had."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.study.world import POLICY, World
from dinolabel.training import metrics
from dinolabel.training.data.samples import Samples
from dinolabel.training.evaluation import holdout_eval, promotion_gate
from dinolabel.training.model_selection import fit
from dinolabel.training.model_selection.fit import FitContext
from dinolabel.training.model_selection.head_selection import HeadCandidate
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL, Bundle
from dinolabel.vision.heads.linear import Linear
from dinolabel.vision.heads.prototype import Prototype
from dinolabel.vision.protocols import Embedder

Rng = np.random.Generator
SIZES = ((20, 60), (40, 80), (80, 120))  # crops of each name that the current head has learnt from, and the candidate
NAMES = (4, 11)  # how many names: from, to (exclusive)
UNKNOWNS = 40
PER_CURRENT = 5  # candidates that are compared with one current head
SAME = 0.01  # a true difference below this is none
REAL = 0.05
OBJECTS = (0, 50, 100, 200, 1000)  # held out: where the rows of the detail begin
CLEAN = 1500  # crops by which the true worth of a head is measured
HEADS = (HeadCandidate("prototype", "prototype", Prototype()), HeadCandidate("linear", "linear, C = 10", Linear(strength=10.0)))
LINEAR = 0.2  # share of the trials with the slower head: the gate does not know which it judges


@dataclass(frozen=True)
class Trial:
    """kind: what was done to the labels. objects: held out. truth: candidate minus current, macro-F1 on clean crops. words: the gate's."""

    kind: str
    names: int
    objects: int
    truth: float
    published: bool
    words: str


def run(world: World, embedder: Embedder, *, count: int, seed: int) -> list[Trial]:
    """So many trials; number n is the same whatever the count."""
    out: list[Trial] = []
    for number in range(0, count, PER_CURRENT):
        rng = np.random.default_rng((seed, number))
        out += _with_one_current(world, embedder, rng, min(PER_CURRENT, count - number), f"{seed}-{number}")
    return out


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Shares of decisions by the true difference."""
    return {
        "trials": len(trials),
        "worse_refused": _share([not each.published for each in trials if each.truth <= -REAL]),
        "better_accepted": _share([each.published for each in trials if each.truth >= REAL]),
        "equal_accepted": _share([each.published for each in trials if abs(each.truth) < SAME]),
    }


def detail(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The same by what was done to the labels, and by how many objects were held out, with the counts."""
    parts = {("any", kind): [each for each in trials if each.kind == kind] for kind in sorted({each.kind for each in trials})}
    for low, high in itertools.pairwise(OBJECTS):
        parts[f"{low} to {high - 1}", "any"] = [each for each in trials if low <= each.objects < high]
    out = []
    for (objects, kind), some in parts.items():
        counts = {
            "worse": sum(each.truth <= -REAL for each in some),
            "better": sum(each.truth >= REAL for each in some),
            "equal": sum(abs(each.truth) < SAME for each in some),
        }
        out.append({"objects": objects, "kind": kind, **summary(some), **counts})
    return out


def _share(found: Sequence[bool]) -> float | None:
    return round(float(np.mean(found)), 4) if found else None


def _with_one_current(world: World, embedder: Embedder, rng: Rng, count: int, tag: str) -> list[Trial]:
    names = tuple(sorted(str(each) for each in rng.choice(sorted(world.names), int(rng.integers(*NAMES)), replace=False)))
    before, after = SIZES[int(rng.integers(len(SIZES)))]
    drawn, clean = world.draw(rng, after, labels=names)
    clean = clean.take(rng.permutation(len(clean)) < CLEAN)
    head = HEADS[int(rng.random() < LINEAR)]
    everything = _with_unknowns(drawn, world, rng) if rng.random() < 0.5 else drawn
    everything = replace(
        everything,
        groups=tuple(f"{tag} {group}" for group in everything.groups),
        ids=tuple(f"{at}/{at}/r/person" for at in range(len(everything))),
    )
    old = _first(everything, before, rng)
    making = FitContext(embedder, POLICY, 0, "2026-01-01T00:00:00+00:00", "0", "2026-01-01T00:00:00+00:00")
    poisoned = rng.random() < 0.4  # the current head may be the bad one
    learnt_before = everything.take(old)
    if poisoned:
        learnt_before = _relabelled(learnt_before, *_poison(learnt_before, np.ones(len(learnt_before), bool), names, rng))
    current = _pair(head, learnt_before, making)
    worth = _worth(current[0], clean, names)
    trials = []
    for _ in range(count):
        kind, candidate_samples = _candidate(everything, old, names, rng)
        trials.append(_decided(kind, head, candidate_samples, current, making, clean, names, worth))
    return trials


def _pair(head: HeadCandidate, samples: Samples, making: FitContext) -> tuple[Bundle, Bundle]:
    """What would be published, and its judge: with the same thresholds, as training has it."""
    calibrated = fit.calibrate(head, samples.on_side("train"), seed=0)
    published, judged = (fit.bundle(head, part, calibrated, making, metrics={}) for part in (samples, samples.on_side("train")))
    return published, judged


def _decided(
    kind: str,
    head: HeadCandidate,
    samples: Samples,
    current: tuple[Bundle, Bundle],
    making: FitContext,
    clean: Samples,
    names: Sequence[str],
    worth: float,
) -> Trial:
    published, judged = _pair(head, samples, making)
    standing = holdout_eval.CurrentHead("current", current[0], current[1])
    held_out = samples.on_side("held_out")
    candidate, compared = (fit.held_out_report(each, held_out, seed=0) for each in (judged, current[1]))
    settled = holdout_eval.previously_approved(standing, judged, held_out, held_out, seed=0)
    news = holdout_eval.changes_since(standing, samples, making)
    assert candidate is not None
    decision = promotion_gate.decide(candidate, compared, basis=promotion_gate.HELD_OUT, news=news, settled=settled, seed=0)
    return Trial(kind, len(names), candidate.objects, _worth(published, clean, names) - worth, decision.publish, decision.reason)


def _worth(bundle: Bundle, clean: Samples, names: Sequence[str]) -> float:
    answers = bundle.answer(clean.embeddings, clean.boxes, reasons=False)
    said = [metrics.name_of(each) for each in answers]
    table = metrics.confusions(clean.truth, said, groups=["all"] * len(clean), labels=sorted(names))
    return float(metrics.macro_f1(table)[0])


def _with_unknowns(samples: Samples, world: World, rng: Rng) -> Samples:
    rows = rng.permutation(len(world.strangers))[:UNKNOWNS]
    return Samples(
        np.concatenate([samples.embeddings, world.strangers[rows]]),
        samples.labels + (UNKNOWN_LABEL,) * len(rows),
        samples.groups + tuple(world.groups[UNKNOWN_LABEL][at] for at in rows),
        samples.ids + ("0/0/r/person",) * len(rows),
        samples.boxes + (samples.boxes[0],) * len(rows),
        np.ones(len(samples) + len(rows), dtype=bool),
    )


def _first(samples: Samples, count: int, rng: Rng) -> npt.NDArray[np.bool_]:
    """So many crops of each label, at random."""
    mask = np.zeros(len(samples), dtype=bool)
    for label in samples.labels_seen:
        rows = np.flatnonzero(np.array(samples.labels) == label)
        mask[rng.permutation(rows)[:count]] = True
    return mask


def _candidate(everything: Samples, old: npt.NDArray[np.bool_], names: Sequence[str], rng: Rng) -> tuple[str, Samples]:
    """What somebody made of the project since the current head: more crops, fewer, wrong names, copied frames."""
    kind = str(rng.choice(["clean", "same size", "fewer", "confused", "noise", "swapped", "leaked"], p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]))
    if kind == "clean":
        return kind, everything
    if kind == "same size":
        keep = old & (rng.random(len(old)) < 0.9)
        swap = np.flatnonzero(~old)
        keep[rng.permutation(swap)[: int(old.sum() - keep.sum())]] = True
        return kind, everything.take(keep)
    if kind == "fewer":
        return kind, everything.take(_first(everything, int(rng.integers(4, 12)), rng))
    changed, labels = _poison(everything, ~old, names, rng, how=kind)
    poisoned = _relabelled(everything, changed, labels)
    return kind, _leaked(poisoned, ~old, rng) if kind == "leaked" else poisoned


def _poison(
    samples: Samples, where: npt.NDArray[np.bool_], names: Sequence[str], rng: Rng, *, how: str | None = None
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which rows get which wrong names."""
    how = how or str(rng.choice(["confused", "noise", "swapped"]))
    labels = list(samples.labels)
    shuffled = [str(each) for each in rng.permutation(names)]
    pairs = list(zip(shuffled[::2], shuffled[1::2], strict=False))[: int(rng.integers(1, 4))]
    turned = dict(pairs) | ({b: a for a, b in pairs} if how == "swapped" else {})
    rate = 1.0 if how == "swapped" else float(rng.uniform(0.3, 0.9))
    for at in np.flatnonzero(where):
        if labels[at] == UNKNOWN_LABEL or rng.random() >= rate:
            continue
        labels[at] = turned.get(labels[at], labels[at]) if how in ("confused", "swapped") else str(rng.choice(names))
    return np.array([mine != other for mine, other in zip(labels, samples.labels, strict=True)]), labels


def _relabelled(samples: Samples, changed: npt.NDArray[np.bool_], labels: Sequence[str]) -> Samples:
    return replace(samples, labels=tuple(labels)) if changed.any() else samples


def _leaked(samples: Samples, where: npt.NDArray[np.bool_], rng: Rng) -> Samples:
    """Frames that follow each other: copies of held-out crops, hardly changed, under the names of other pictures."""
    from dinolabel.vision.bundles.split import split_side

    held = np.flatnonzero(where & np.array([split_side(group) == "held_out" for group in samples.groups]))
    noise = rng.normal(size=(len(held), samples.embeddings.shape[1])) * 0.003
    copies = samples.embeddings[held] + noise.astype(np.float32)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    grown = Samples(
        np.concatenate([samples.embeddings, copies.astype(np.float32)]),
        samples.labels + tuple(samples.labels[at] for at in held),
        samples.groups + tuple(f"copy {at} of {samples.groups[at]}" for at in held),
        samples.ids + tuple(f"{len(samples) + at}/{len(samples) + at}/r/person" for at in held),
        samples.boxes + tuple(samples.boxes[at] for at in held),
        np.ones(len(samples) + len(held), dtype=bool),
    )
    return grown.merge_duplicates()
