"""Judges a candidate on pictures it has not seen, beside the head that serves now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dinolabel.training.data.samples import Samples
from dinolabel.training.evaluation import learning_curve, promotion_gate
from dinolabel.training.evaluation.promotion_gate import DataChanges
from dinolabel.training.metrics import EvaluationReport
from dinolabel.training.model_selection import fit, head_selection
from dinolabel.training.model_selection.fit import Calibration, FitContext
from dinolabel.training.model_selection.head_selection import Choice
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL, Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.images.crop_id import object_of
from dinolabel.vision.loading.feature_slice import slice_for
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import CropPolicy

FOLDER = "judge"  # in a published bundle's folder: the same head from the train side only


@dataclass(frozen=True)
class Evaluation:
    """choice: the head that won. basis: gate.HELD_OUT, LEFT_OUT or NOTHING. candidate, compared: reports of it and of the current head.

    judge: the candidate from the train side only, None when no name is there. calibrated: for the head to publish, as judged.
    settled: both on what was approved before, where there is such. grown: what parts of the train side bring.
    """

    choice: Choice
    basis: str
    candidate: EvaluationReport | None
    compared: EvaluationReport | None
    judge: Bundle | None
    calibrated: Calibration
    settled: tuple[EvaluationReport, EvaluationReport] | None = None
    grown: learning_curve.LearningCurve = field(default_factory=learning_curve.LearningCurve)


@dataclass(frozen=True)
class CurrentHead:
    """The head that serves now, None when there is none. judge: its fit on the train side, if it can be compared; else why not.

    eyes: the embedder it sees with, its own or that of the settings, or a feature of that where it was trained on no more.
    """

    id: str | None = None
    bundle: Bundle | None = None
    judge: Bundle | None = None
    why_not: str = ""
    eyes: Embedder | None = None


def evaluate_candidate(everything: Samples, current: CurrentHead, making: FitContext, *, theirs: Samples | None = None) -> Evaluation:
    """Let heads compete, and report on the winner: on held-out pictures where there are enough, else with each picture left out in turn.

    What a person set apart to test on is enough, however little it is, and teaches nothing.
    theirs: the same rows as the current head sees them, where that is with another embedder.
    """
    train_side, taught = everything.on_side("train"), everything.trainable
    # a name whose few pictures all fell on the held-out side was never taught: that says nothing of the head
    asked = {*train_side.labels, UNKNOWN_LABEL}
    held_out, as_they_see_it = (_unseen(each, everything, theirs).of(asked) for each in (everything, theirs or everything))
    judge = candidate = None
    if train_side.names:
        choice = head_selection.select_head(train_side, seed=making.seed)
        calibrated = fit.calibrate(choice.winner, train_side, seed=making.seed)
        judge = fit.bundle(choice.winner, train_side, calibrated, making, metrics={})
        candidate = fit.held_out_report(judge, held_out, seed=making.seed)
    if (
        judge is not None
        and candidate is not None
        and (everything.has_fixed_split or promotion_gate.has_enough(candidate, everything.names))
    ):
        compared = fit.held_out_report(current.judge, as_they_see_it, seed=making.seed) if current.judge else None
        if train_side.names != taught.names:  # thresholds that never knew a name may not suit it
            calibrated = fit.calibrate(choice.winner, taught, seed=making.seed)
        before = previously_approved(current, judge, held_out, as_they_see_it, seed=making.seed)
        grown = learning_curve.learning_curve(choice.winner, train_side, held_out, whole=judge.head, seed=making.seed)
        return Evaluation(choice, promotion_gate.HELD_OUT, candidate, compared, judge, calibrated, before, grown)
    choice = head_selection.select_head(taught, seed=making.seed)
    calibrated = fit.calibrate(choice.winner, taught, seed=making.seed)
    candidate = fit.left_out_report(calibrated, seed=making.seed)
    return Evaluation(choice, promotion_gate.LEFT_OUT if candidate else promotion_gate.NOTHING, candidate, None, judge, calibrated)


def _unseen(samples: Samples, *views: Samples | None) -> Samples:
    """The held-out rows in which no embedder was tuned on anything. views: the same rows, each as one embedder sees them."""
    known = np.zeros(len(samples), dtype=bool)
    for each in views:
        known |= each.seen_in_finetuning if each is not None and each.seen_in_finetuning is not None else False
    return samples.take(~known).on_side("held_out")


def current_head(store: BundleStore, project: str, embedder: Embedder, policy: CropPolicy) -> CurrentHead:
    """The wanted head of the project, and whether a candidate can be compared with it. embedder: of the settings."""
    wanted = store.desired(project)
    if wanted is None:
        return CurrentHead()
    try:
        bundle = store.get(project, wanted)
        eyes = slice_for(embedder, bundle.embedder_digest) if bundle.own is None else bundle.own.embedder(embedder.device)
        bundle.check(eyes.digest, policy)
    except BundleMismatch as error:
        return CurrentHead(wanted, why_not=f"The current head cannot be compared: {error}")
    try:
        return CurrentHead(wanted, bundle, Bundle.load(store.folder(project, wanted) / FOLDER), eyes=eyes)
    except BundleMismatch:
        why_not = "The current head cannot be compared: it has learnt from pictures of both sides."
        return CurrentHead(wanted, bundle, why_not=why_not, eyes=eyes)


def previously_approved(
    current: CurrentHead, candidate: Bundle, held_out: Samples, theirs: Samples, *, seed: int
) -> tuple[EvaluationReport, EvaluationReport] | None:
    """Candidate and current on the held-out objects that the current head's people had approved already, under the name they have now.

    What came later may be wrong in both, what is learnt and what is measured: only here a spoilt batch of labels shows.
    theirs: the held-out rows as the current head sees them. None when there is no such object, or no other.
    """
    if current.bundle is None or current.judge is None:
        return None
    before = {name for name, _ in _objects(current.bundle.reference_ids, current.bundle.reference_labels)}
    old = np.array([object_of(each) in before for each in held_out.ids], dtype=bool)
    if old.all():
        return None
    pairs = ((candidate, held_out), (current.judge, theirs))
    mine, other = (fit.held_out_report(head, rows.take(old), seed=seed) for head, rows in pairs)
    return (mine, other) if mine is not None and other is not None else None


def changes_since(current: CurrentHead, everything: Samples, making: FitContext) -> DataChanges | None:
    """What is new since the current head; None when there is none that could be compared."""
    if current.bundle is None:
        return None
    before = _objects(current.bundle.reference_ids, current.bundle.reference_labels)
    after = _objects(everything.ids, everything.labels)
    known = {label for label in current.bundle.labels if label != UNKNOWN_LABEL}
    changed = len({name for name, _ in before ^ after})
    eyes = current.bundle.embedder_digest == making.embedder.digest
    same = current.bundle.data_digest == making.data_digest and not changed and eyes
    added, removed = (tuple(sorted(each)) for each in (set(everything.names) - known, known - set(everything.names)))
    return DataChanges(changed, len({name for name, _ in after}), added, removed, same, before=len({name for name, _ in before}))


def _objects(ids: tuple[str, ...], labels: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(object_of(each), label) for each, label in zip(ids, labels, strict=True)}
