"""The study: how much the head can be trusted, measured.    python -m benchmarks.study [--weights nano] [--out docs]

Writes study.json and study.md. Each part is kept as it is done (.cache/study/parts): stop it whenever you like, it goes on there.
Everything is seeded; the crops are made by the generator of the embedded models from identities that no
embedder of ours has seen, and any embedder can be asked (`--weights facebook/dinov2-small` where the hub is reached).
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from benchmarks.study import ancestor, clock, curve, page, people, trials, world
from benchmarks.study.parts import Parts
from dinolabel.vision import plugins
from dinolabel.vision.loading.feature_slice import slice_for
from dinolabel.vision.protocols import Embedder

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_000  # of the trials that are reported; others were looked at while the gate was made
MANY, MORE = 20_000, 50
BATCH = 100  # trials of the gate that are kept together
KEYS = (
    "curve", "ece", "unknown_auroc", "fpr_at_95", "nothing_suppressed", "true_lost", "gate", "suspects_recall_at_10", "train_seconds_1000",
    "train_seconds_20000", "ancestor_seconds_1000",
)  # fmt: skip


def study(embedder: Embedder, options: argparse.Namespace, parts: Parts) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of study.json, and more of them for the page."""
    demo, ten = world.demo(embedder), world.ten(embedder)
    curves = {name: curves_of(name, each, embedder, options, parts) for name, each in (("demo", demo), ("ten names", ten))}
    found = gate_trials(ten.of_first_feature(), slice_for(embedder, ten.features[0].digest), options, parts)
    suppressed, lost = parts.done("deleted strangers", lambda: people.deleted_strangers(demo, embedder, draws=options.draws))
    at_fifty = next(row for row in curves["demo"] if row["head"] == curve.AUTO and row["crops"] == max(curve.SHOTS))
    times = clocks(options.many, parts)
    figures = {
        "curve": curves,
        "ece": at_fifty["ece"],
        "unknown_auroc": at_fifty["unknown_auroc"],
        "fpr_at_95": at_fifty["fpr_at_95"],
        "nothing_suppressed": suppressed,
        "true_lost": lost,
        "gate": trials.summary(found),
        "suspects_recall_at_10": parts.done("suspects", lambda: people.suspects_recall(ten, draws=options.draws)),
        "train_seconds_1000": times["1000"]["process"],
        "train_seconds_20000": times["many"]["process"],
        "ancestor_seconds_1000": parts.done("the ancestor", ancestor.seconds_1000),
    }
    times["cold"] = {"embedding": parts.done("embedding 1000 crops", ancestor.embedding_1000)}
    more = {"weights": embedder.weights, "trials": trials.detail(found), "times": times, "draws": options.draws}
    return figures, more


def curves_of(name: str, where: world.World, embedder: Embedder, options: argparse.Namespace, parts: Parts) -> list[dict[str, Any]]:
    """A part for each number of crops."""
    rows = []
    for count in curve.SHOTS:
        at = partial(curve.curve, where, embedder, shots=(count,), draws=options.draws)
        rows += parts.done(f"curve {name}, {count} crops a name", at)
    return rows


def gate_trials(where: world.World, embedder: Embedder, options: argparse.Namespace, parts: Parts) -> list[trials.Trial]:
    """In parts of BATCH; trial n is the same however many there are."""
    found: list[trials.Trial] = []
    for first in range(0, options.trials, BATCH):
        count = min(BATCH, options.trials - first)
        run = partial(trials.run, where, embedder, count=count, seed=SEED + first)
        found += [
            trials.Trial(**each) for each in parts.done(f"gate {first} to {first + count - 1}", lambda run=run: list(map(asdict, run())))
        ]
    return found


def clocks(many: int, parts: Parts) -> dict[str, dict[str, float]]:
    """Trainings in processes of their own, everything cached."""
    with tempfile.TemporaryDirectory() as folder:
        few = parts.done("training 1000 crops", lambda: clock.timed(1000, Path(folder) / "few", again=MORE))
        return {"1000": few, "many": parts.done(f"training {many} crops", lambda: clock.timed(many, Path(folder) / "many"))}


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="nano")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--many", type=int, default=MANY, help="crops of the long training")
    options = parser.parse_args()
    quiet()
    embedder = plugins.load_embedder("dinov2", options.weights)
    parts = Parts(embedder.digest, options.draws, options.many)
    figures, more = study(embedder, options, parts)
    assert tuple(figures) == KEYS
    more["minutes"] = round(parts.seconds / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "study.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (options.out / "study.md").write_text(page.page(figures, more), encoding="utf-8")


if __name__ == "__main__":
    main()
