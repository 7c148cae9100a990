"""Train a head from an export of crops, judge it, and publish it when it deserves it.

    dinolabel export crops --project 3 --out crops/
    dinolabel train --manifest crops/ --project 3

Reads top to bottom: read, embed, let heads compete and be judged, refit, decide, publish, write the receipt. The knobs are where they
are used: the share held out in dinolabel/vision/bundles/split.py, heads and folds in
compete.py, what the
thresholds aim at in calibrate.py, floors and gains in gate.py.

What is judged and what is published are two fits. The judged one has learnt from the train side only, and stays beside the bundle
(`judge/`), so that the next candidate is compared with a head that has not seen the held-out groups either. The published one is the
same head with the same settings, fitted again on every approved box: more data, and the usual practice; the receipt says so. Boxes that a
person set apart to test on (`"split": "held_out"` in the manifest) are never taught, so there both fits are one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from threadpoolctl import threadpool_limits

from dinolabel.training import sentences
from dinolabel.training.data import features, manifest, samples
from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import CropRow, Manifest
from dinolabel.training.data.samples import Samples
from dinolabel.training.errors import ManifestUnreadable, NotEnoughLabels
from dinolabel.training.evaluation import holdout_eval, promotion_gate
from dinolabel.training.evaluation.holdout_eval import CurrentHead, Evaluation
from dinolabel.training.finetune.options import FineTuneOptions
from dinolabel.training.model_selection import embedder_choice, fit, suppression
from dinolabel.training.model_selection.embedder_choice import EmbedderChoice
from dinolabel.training.report import gallery, training_report
from dinolabel.training.report.gallery import Gallery
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import ID_DIGITS, BundleStore
from dinolabel.vision.loading.tuned_embedder import TunedEmbedder
from dinolabel.vision.progress import Listener, Progress, ignore
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.storage.cache import Cache

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """The outcome. reason: a sentence or two for a person. receipt: path of receipt.json, its page beside it. metrics: as judged."""

    published: bool
    bundle_id: str | None
    reason: str
    receipt: Path
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingOptions:
    """now: ISO time that bundle and receipt carry. generic_is_unknown: generic boxes count as unknown. force: publish whatever the gate
    or a pin says. studio: Label Studio's address, where the tasks are; the receipt links to them.

    finetune: tune so many of the embedder's last blocks first; 0: none, and none tuned before; None: go on with what the current head has.
    """

    project: str
    now: str
    seed: int = 0
    generic_is_unknown: bool = False
    force: bool = False
    finetune: int | None = None
    studio: str | None = None


def train(
    manifest_dir: Path,
    options: TrainingOptions,
    *,
    embedder: Embedder,
    store: BundleStore,
    cache: Cache | None,
    listener: Listener = ignore,
) -> TrainingResult:
    """Train, judge and perhaps publish. Same manifest, seed and machine: the same bundle but for created_at.

    Raises ManifestUnreadable and NotEnoughLabels; the store notes the latter as a verdict too.
    """
    # Products of these sizes gain nothing from more threads, which wait for each other by spinning: 1,000 crops took 7.2 CPU seconds in
    # place of 3.3. The networks have threads of their own.
    with tempfile.TemporaryDirectory(prefix="dinolabel-tuned-") as made, threadpool_limits(1, user_api="blas"):
        run = _TrainingRun(options, embedder, store, cache, listener, Path(made))
        read = manifest.read(manifest_dir)
        _check_policy(read, embedder)
        return _train(run, read, samples.teaching_rows(read, generic_is_unknown=options.generic_is_unknown))


def _check_policy(read: Manifest, embedder: Embedder) -> None:
    """A head of crops that were cut for another embedder could not be served. Raises ManifestUnreadable."""
    plug = str(getattr(embedder, "plug", ""))
    if plug and read.rows and read.policy != plugins.crop_policy(plug):
        told = f"The crops in {read.folder} were cut for another embedder than {plug!r}, with a margin of {read.policy.margin:g}."
        raise ManifestUnreadable(told, hint="Export them again: `dinolabel export crops --project N`.")


@dataclass(frozen=True)
class _TrainingRun:
    """What train was given. made: where a tuned embedder's weights lie until they are published."""

    options: TrainingOptions
    embedder: Embedder
    store: BundleStore
    cache: Cache | None
    listener: Listener
    made: Path


def _train(run: _TrainingRun, read: Manifest, rows: Sequence[CropRow]) -> TrainingResult:
    options, store, started = run.options, run.store, time.monotonic()
    project, seed = options.project, options.seed
    embedded, everything, small = _load_samples(run, read, rows)
    current = holdout_eval.current_head(store, project, run.embedder, read.policy)
    sight = _views(run, read, {row.id: row for row in embedded.rows}, everything, current)
    making = fit.FitContext(sight.eyes.embedder, read.policy, seed, options.now, read.digest(), read.trained_until, sight.eyes.own)

    run.listener(Progress("Judging", 0, 1))
    trial = holdout_eval.evaluate_candidate(sight.mine, current, making, theirs=sight.theirs)
    metrics = {"basis": trial.basis, **(trial.candidate.metrics() if trial.candidate else {})}
    bundle = fit.bundle(trial.choice.winner, sight.mine.trainable, trial.calibrated, making, metrics=metrics)
    deleted = suppression.fit_suppression(
        read, embed=lambda asked: _embed_rows(run, read, asked, sight.eyes.embedder), judge=trial.judge, head=bundle
    )
    bundle = replace(bundle, nothing=deleted.belief)

    news = holdout_eval.changes_since(current, sight.mine.trainable, making)
    decision = promotion_gate.decide(
        trial.candidate, trial.compared, basis=trial.basis, news=news, settled=trial.settled, seed=seed, sources=read.sources
    )
    published, reason = _outcome(decision, why_not=current.why_not, pinned=store.pinned(project), force=options.force)
    bundle_id = bundle.digest[:ID_DIGITS] if published else None
    outcome = {"at": options.now, "published": published, "bundle": bundle_id, "forced": published and not decision.publish}
    facts = {**training_report.data(everything, read, embedded, small=small), "nothing": deleted.facts}
    facts |= {"not_seen_again": run.embedder.count_unseen(embedded.embeddings)} if hasattr(run.embedder, "count_unseen") else {}
    written = {**outcome, "project": project, "verdict": reason, "seconds": round(time.monotonic() - started, 2), "data": facts}
    written |= training_report.account(trial, decision, bundle, news=news, current=current, seed=seed, set_apart=everything.has_fixed_split)
    written |= {"finetuning": dict(sight.eyes.facts)} if sight.eyes.facts else {}
    shown = gallery.collect(trial.candidate, embedded.rows, read.folder)
    written["opening"] = sentences.opening(trial.candidate, sources=read.sources) if trial.candidate else ""
    written["wrong"] = {"count": shown.count, "shown": list(shown.wrong)}
    written["studio"] = options.studio if project.isdigit() else None  # what has no number lies in no Label Studio
    path = _publish_or_file(written, bundle, trial, shown, store=store)
    place = "/".join(path.parts[-2:] if published else path.parts[-3:])  # from the project's folder in the store
    store.add_verdict(project, {**outcome, "reason": reason, "trained_until": read.trained_until, "receipt": place, "metrics": metrics})
    log.info("trained", project=project, published=published, bundle=bundle_id, seconds=written["seconds"], reason=reason)
    return TrainingResult(published, bundle_id, reason, path, metrics)


def _load_samples(run: _TrainingRun, read: Manifest, rows: Sequence[CropRow]) -> tuple[Features, Samples, tuple[str, ...]]:
    """What there is to learn from, as the settings' embedder sees it: by that near-duplicates are told, whatever a head sees with."""
    try:
        embedded = _embed_rows(run, read, rows, run.embedder)
        prints = features.prints(embedded.rows, folder=read.folder, policy=read.policy, cache=run.cache)
        return embedded, *samples.gather(embedded, read, prints)
    except NotEnoughLabels as error:
        raise _record_refusal(run, error) from None


def _record_refusal(run: _TrainingRun, error: NotEnoughLabels) -> NotEnoughLabels:
    note = {"at": run.options.now, "published": False, "bundle": None, "reason": str(error), "missing": error.missing}
    run.store.add_verdict(run.options.project, note)
    return error


def _embed_rows(run: _TrainingRun, read: Manifest, rows: Sequence[CropRow], embedder: Embedder) -> Features:
    return features.embed(
        rows, folder=read.folder, policy=read.policy, embedder=embedder, cache=run.cache, listener=run.listener,
    )  # fmt: skip


@dataclass(frozen=True)
class _Views:
    """mine: the samples as the candidate sees them; theirs: as the current head does, None when that is the same."""

    eyes: EmbedderChoice
    mine: Samples
    theirs: Samples | None


def _views(run: _TrainingRun, read: Manifest, rows: Mapping[str, CropRow], everything: Samples, current: CurrentHead) -> _Views:
    base, own = run.embedder, current.bundle.own if current.bundle else None

    def view(embedder: Embedder, own: TunedEmbedder | None) -> Samples:
        if (part := next((each for each in everything.features if each.digest == embedder.digest), None)) is not None:
            return everything.of_feature(part)
        found = embedder_choice.reembed(everything, rows, partial(_embed_rows, run, read), embedder)
        return found.mark_seen(own.objects) if own else found

    if run.options.finetune:
        try:
            options = FineTuneOptions(run.options.finetune, run.made, run.options.seed, run.listener)
            chosen = embedder_choice.fine_tune(base, everything, rows, partial(_embed_rows, run, read), options, folder=read.folder)
        except NotEnoughLabels as error:
            raise _record_refusal(run, error) from None
    else:
        chosen = embedder_choice.keep_current(base, current.eyes, own) if run.options.finetune is None else EmbedderChoice(base)
    mine = view(chosen.embedder, chosen.own)
    if current.eyes is None or current.eyes.digest == chosen.embedder.digest:
        return _Views(chosen, mine, None)
    return _Views(chosen, *embedder_choice.intersect(mine, view(current.eyes, own)))


def _outcome(decision: promotion_gate.Decision, *, why_not: str, pinned: str | None, force: bool) -> tuple[bool, str]:
    """Whether to publish, and the verdict in words."""
    reason = f"{why_not} {decision.reason}".strip()
    if force and not decision.publish:
        return True, f"Published because it was forced. The gate would have refused: {reason}"
    if pinned and decision.publish and not force:
        return False, f"Version {pinned} is pinned, so this head is only proposed; let go of the pin and train again. {reason}"
    return decision.publish, reason


def _publish_or_file(written: Mapping[str, Any], bundle: Bundle, trial: Evaluation, shown: Gallery, *, store: BundleStore) -> Path:
    """Publish with the receipt and the judge beside the bundle, or put the receipt among the refused; the receipt's path."""

    def beside(folder: Path) -> None:
        training_report.write(folder, written, trial.candidate, shown)
        if trial.judge is not None:
            replace(trial.judge, own=None).save(folder / holdout_eval.FOLDER)  # it sees with the same embedder, which lies there once

    if written["published"]:
        bundle_id = store.publish(written["project"], bundle, written, beside=beside)
        return store.folder(written["project"], bundle_id) / training_report.JSON
    return training_report.write(store.is_refused(written["project"], written["at"]), written, trial.candidate, shown)
