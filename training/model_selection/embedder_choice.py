"""Choice of the embedder that a candidate sees with: the embedder of the settings, one tuned for this project's names, or the one the
current head brought along."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dinolabel.training.data import features
from dinolabel.training.data.features import Features
from dinolabel.training.data.manifest import CropRow
from dinolabel.training.data.samples import Mask, Samples
from dinolabel.training.errors import NotEnoughLabels
from dinolabel.training.finetune.options import FineTuneOptions
from dinolabel.training.model_selection import head_selection
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import UNKNOWN_LABEL
from dinolabel.vision.errors import ModelError
from dinolabel.vision.images.crop_id import object_of
from dinolabel.vision.loading.feature_slice import features_of, slice_for
from dinolabel.vision.loading.tuned_embedder import PRECISION, TunedEmbedder
from dinolabel.vision.protocols import Embedder

PLUG = "dinov2"
LEAST = 10  # objects of a name on the train side before its crops can tune anything
FOLDS = 4  # one of them is left out: it ends the tuning, and is what thresholds are measured on afterwards
MOST = 6000  # crops that are tuned on, drawn at random: an epoch over more brings little for its time

EmbedRows = Callable[[Sequence[CropRow], Embedder], Features]


@dataclass(frozen=True)
class EmbedderChoice:
    """own: how a bundle carries the embedder, where it is not that of the settings. facts: of the tuning, for the receipt."""

    embedder: Embedder
    own: TunedEmbedder | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def keep_current(base: Embedder, current: Embedder | None, own: TunedEmbedder | None) -> EmbedderChoice:
    """Without a wish: what the current head sees with, as long as that was tuned from the embedder at hand."""
    if current is not None and own is not None and own.began_as in [each.digest for each in features_of(base)]:
        return EmbedderChoice(current, own, {"from an earlier training": own.weights})
    return EmbedderChoice(base)


def fine_tune(
    base: Embedder, everything: Samples, rows: Mapping[str, CropRow], see: EmbedRows, options: FineTuneOptions, *, folder: Path
) -> EmbedderChoice:
    """The base with its last blocks tuned on the train side, as long as that helps on the groups left out; else the base.

    What is tuned is the first feature, the class token, and a tuned embedder gives no other.
    folder: of the export of crops. Raises NotEnoughLabels, ModelError for an embedder that cannot be tuned.
    """
    from dinolabel.training.finetune import tuning
    from dinolabel.vision.embedders.dinov2 import Dinov2

    if type(base) is not Dinov2:  # what derives from it has other layers
        raise ModelError(f"{base.name} cannot be fine-tuned.", hint="Only embedders of dinolabel/vision/embedders/dinov2.py can.")
    started = time.monotonic()
    seed = options.seed
    side, crops = _training_crops(everything, rows, folder, seed)
    asked = next(iter(head_selection.folds(side, seed=seed, count=FOLDS)))
    course = tuning.tune(base, crops, side.columns, asked, options)
    whole = plugins.load_embedder(PLUG, str(options.out), device=base.device, precision=PRECISION)
    embedder = slice_for(whole, features_of(whole)[0].digest)
    before, after = (head_selection.score_on(each, asked, seed=seed) for each in (side, reembed(side, rows, see, embedder)))
    helps = (round(after.macro_f1, 2), -after.log_loss) > (round(before.macro_f1, 2), -before.log_loss)
    facts = {
        "blocks": options.blocks, "crops": len(side) - int(asked.sum()), "crops left out": int(asked.sum()), "epoch kept": course.best,
        "log loss by epoch": list(course.log_loss), "macro-F1 frozen": round(before.macro_f1, 4),
        "macro-F1 tuned": round(after.macro_f1, 4), "used": helps, "device": course.device,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    if not helps:
        return EmbedderChoice(base, None, facts)
    left_out = _left_out(side, asked)
    own = TunedEmbedder(
        PLUG, embedder.name, embedder.digest, embedder.weights, embedder.dim, base.digest, options.blocks, left_out, options.out
    )
    return EmbedderChoice(embedder, own, facts)


def reembed(samples: Samples, rows: Mapping[str, CropRow], see: EmbedRows, embedder: Embedder) -> Samples:
    """The same rows as this embedder sees them; those whose crop cannot be read any more are left out."""
    found = see([rows[each] for each in samples.ids], embedder)
    at = {row.id: place for place, row in enumerate(found.rows)}
    readable = samples.take(np.array([each in at for each in samples.ids], dtype=bool))
    return replace(readable, embeddings=found.embeddings[[at[each] for each in readable.ids]], features=found.features)


def intersect(mine: Samples, theirs: Samples) -> tuple[Samples, Samples]:
    """The rows that are in both, in the same order."""
    there = set(mine.ids) & set(theirs.ids)
    first, second = (each.take(np.array([row in there for row in each.ids], dtype=bool)) for each in (mine, theirs))
    return first, second


def _training_crops(everything: Samples, rows: Mapping[str, CropRow], folder: Path, seed: int) -> tuple[Samples, list[Any]]:
    """Rows of the train side to tune on, of names that have enough, and their crops."""
    side = everything.on_side("train")
    counts = {name: count for name, count in side.objects.items() if name != UNKNOWN_LABEL}
    enough = [name for name, count in counts.items() if count >= LEAST]
    if len(enough) < 2:
        missing = {name: LEAST - count for name, count in counts.items() if count < LEAST}
        message = f"Fine-tuning needs two names with {LEAST} approved boxes each, besides those held out."
        raise NotEnoughLabels(message, missing=missing, hint="Approve more of each, or train without --finetune.")
    side = side.of(enough)
    side = side.take(np.random.default_rng(seed).permutation(len(side)) < MOST)
    crops, readable = features.crops([rows[each] for each in side.ids], folder=folder)
    return side.take(readable), crops


def _left_out(side: Samples, asked: Mask) -> dict[str, tuple[str, ...]]:
    pairs = {(label, object_of(each)) for label, each, out in zip(side.labels, side.ids, asked, strict=True) if not out}
    return {name: tuple(sorted(each for label, each in pairs if label == name)) for name in side.names}
