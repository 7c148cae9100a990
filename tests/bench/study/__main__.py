"""The study: how much the head can be trusted, measured.    python -m tests.bench.study [--weights nano] [--out docs]

Writes study.json and study.md. Everything is seeded; the crops are made by the generator of the embedded models from identities that no
embedder of ours has seen, and any embedder can be asked (`--weights facebook/dinov2-small` where the hub is reached).
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from tests.bench.study import ancestor, clock, curve, page, people, trials, world
from vision import plugs
from vision.protocols import Embedder

ROOT = Path(__file__).resolve().parents[3]
SEED = 20_000  # of the trials that are reported; others were looked at while the gate was made
MANY, MORE = 20_000, 50
KEYS = (
    "curve", "ece", "unknown_auroc", "fpr_at_95", "nothing_suppressed", "true_lost", "gate", "suspects_recall_at_10", "train_seconds_1000",
    "train_seconds_20000", "ancestor_seconds_1000",
)  # fmt: skip


def study(embedder: Embedder, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of study.json, and more of them for the page."""
    demo, ten = world.demo(embedder), world.ten(embedder)
    curves = {"demo": curve.curve(demo, embedder, draws=options.draws), "ten names": curve.curve(ten, embedder, draws=options.draws)}
    found = gate_trials(options)
    suppressed, lost = people.deleted_strangers(demo, embedder, draws=options.draws)
    at_fifty = next(row for row in curves["demo"] if row["head"] == curve.AUTO and row["crops"] == max(curve.SHOTS))
    times = clocks(options.many)
    figures = {
        "curve": curves,
        "ece": at_fifty["ece"],
        "unknown_auroc": at_fifty["unknown_auroc"],
        "fpr_at_95": at_fifty["fpr_at_95"],
        "nothing_suppressed": suppressed,
        "true_lost": lost,
        "gate": trials.summary(found),
        "suspects_recall_at_10": people.suspects_recall(ten, draws=options.draws),
        "train_seconds_1000": times["1000"]["process"],
        "train_seconds_20000": times["many"]["process"],
        "ancestor_seconds_1000": ancestor.seconds_1000(),
    }
    more = {"weights": embedder.weights, "trials": trials.detail(found), "times": times, "draws": options.draws}
    return figures, more


def gate_trials(options: argparse.Namespace) -> list[trials.Trial]:
    """In two processes, a half each; trial n is the same however they are shared."""
    half = options.trials // 2
    with ProcessPoolExecutor(2) as pool:
        halves = pool.map(_trials, [options.weights] * 2, [half, options.trials - half], [SEED, SEED + 1])
        return [trial for part in halves for trial in part]


def _trials(weights: str, count: int, seed: int) -> list[trials.Trial]:
    quiet()
    embedder = plugs.load_embedder("dinov2", weights)
    return trials.run(world.ten(embedder), embedder, count=count, seed=seed)


def clocks(many: int) -> dict[str, dict[str, float]]:
    """Trainings in processes of their own, everything cached."""
    with tempfile.TemporaryDirectory() as folder:
        few = clock.timed(1000, Path(folder) / "few", again=MORE)
        return {"1000": few, "many": clock.timed(many, Path(folder) / "many")}


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
    started = time.monotonic()
    figures, more = study(plugs.load_embedder("dinov2", options.weights), options)
    assert tuple(figures) == KEYS
    more["minutes"] = round((time.monotonic() - started) / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "study.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (options.out / "study.md").write_text(page.page(figures, more), encoding="utf-8")


if __name__ == "__main__":
    main()
