"""A frozen embedder and a tuned one on a task that frozen features fail at.    python -m benchmarks.finetuning

The same drawing looking left or right, two drawings, four names (tests/handed.py). Each draw makes an export of crops, trains both ways
as `dinolabel train` and `dinolabel train --finetune 2` do, and asks both published heads about pictures that neither has seen. An
abstention is wrong. The seeds were looked at once; others were used while the recipe was made.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision import plugins
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Crop, Named
from tests import handed

SEEDS = (501, 502, 503, 504)
ASKED = 50  # pictures of each name
NOW = ("2026-11-22T12:00:00+00:00", "2026-11-22T13:00:00+00:00")


def draw(seed: int, each: int, blocks: int) -> dict[str, Any]:
    """Macro-F1 at the gate, and right names on fresh pictures, of both; whether the gate let the tuned one through."""
    base = plugins.load_embedder("dinov2", "nano", device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crops = handed.export(folder / "crops", each, seed=seed)
        store, cache = BundleStore(folder / "bundles"), Cache(folder / "cache.sqlite", max_mb=200)
        given: dict[str, Any] = {"embedder": base, "store": store, "cache": cache}
        frozen = train(crops, TrainingOptions("1", NOW[0], force=True), **given)
        began = time.process_time()
        tuned = train(crops, TrainingOptions("1", NOW[1], finetune=blocks), **given)
        seconds = time.process_time() - began
        out: dict[str, Any] = {"seed": seed, "crops": each, "let_through": tuned.published, "cpu_seconds": round(seconds, 1)}
        for words, verdict in (("frozen", frozen), ("tuned", tuned)):
            out[f"{words}_macro_f1"] = verdict.metrics["macro_f1"]
            out[f"{words}_right"] = right(store.get("1", verdict.bundle_id), base, seed + 1000) if verdict.bundle_id else None
    return out


def right(bundle: Bundle, base: Embedder, seed: int) -> float:
    """Share of fresh pictures that get their own name."""
    embedder = bundle.own.embedder("cpu") if bundle.own else base
    hits = []
    for name in handed.names():
        shown = list(itertools.islice(handed.pictures(name, seed=seed), ASKED))
        rows = embedder.embed([Crop(cut(pixels, box, handed.POLICY).pixels) for pixels, box in shown])
        hits += [isinstance(each, Named) and each.label == name for each in bundle.answer(rows, [box for _, box in shown])]
    return round(float(np.mean(hits)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, nargs="*", default=[40, 80], help="crops of each name")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--blocks", type=int, default=2)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for each in asked.each:
        rows = [draw(seed, each, asked.blocks) for seed in asked.seeds]
        for row in rows:
            print(json.dumps(row), flush=True)
        means = {name: round(float(np.mean([row[name] or 0.0 for row in rows])), 3) for name in rows[0] if name.endswith(("_f1", "_right"))}
        print(json.dumps({"crops": each, "draws": len(rows), **means}), flush=True)


if __name__ == "__main__":
    main()
