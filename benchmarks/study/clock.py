"""How long a training takes from the start of its process until its head is published, with every embedding cached.

python -m benchmarks.study.clock FOLDER   (what `timed` runs, in a process of its own)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from dinolabel.vision.loading.feature_slice import Feature
from tests import blobs
from tests.blobs import Bench, World, unit

CLASS_TOKEN = 384  # of ViT-S
LENGTH = 2 * CLASS_TOKEN  # and as much of its patches
NAMES = 10
CROP = 64  # pixels; a file must be read once for its fingerprint


def timed(count: int, folder: Path, *, again: int = 0) -> dict[str, float]:
    """Seconds of the process and of the training in it, for so many crops; again: so many crops more in a second training."""
    prepare(count, folder)
    out = _child(folder, "")
    if again:
        prepare(count + again, folder)
        out |= {f"again_{name}": value for name, value in _child(folder, "again").items()}
    return out


def prepare(count: int, folder: Path) -> None:
    """An export of so many crops with their embeddings in the cache."""
    bench = Bench(folder)
    rng = np.random.default_rng(0)
    centres = [unit(rng.normal(size=LENGTH)) for _ in range(NAMES)]
    world = World()
    for at in range(count):
        world.add(f"name {at % NAMES}", image=at, views=1)
        world.vectors[-1] = unit(centres[at % NAMES] + unit(np.random.default_rng((1, at)).normal(size=LENGTH)))
    world.write(folder / "export", bench.cache)
    for at, row in enumerate(world.rows):
        path = folder / "export" / row["crop"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            pixels = np.random.default_rng((2, at)).integers(0, 255, (CROP, CROP, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(path, compress_level=1)


def _child(folder: Path, tag: str) -> dict[str, float]:
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.study.clock", str(folder), tag]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return {"process": round(time.monotonic() - started, 2), "training": told["seconds"], "published": told["published"]}


def _train(folder: Path, tag: str) -> None:
    from dinolabel.training.train import TrainingOptions, train

    bench = Bench(folder)
    embedder = blobs.KnownOnly()
    embedder.dim = LENGTH  # type: ignore[misc]
    features = (Feature("class token", CLASS_TOKEN, "f1"), Feature("class token and mean patch token", LENGTH, embedder.digest))
    embedder.features = features  # type: ignore[attr-defined]
    now = "2026-11-22T15:00:00+00:00" if tag else "2026-11-22T13:00:00+00:00"
    verdict = train(folder / "export", TrainingOptions("1", now), embedder=embedder, store=bench.store, cache=bench.cache)  # type: ignore[arg-type]
    told = json.loads(verdict.receipt.read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps({"seconds": told["seconds"], "published": verdict.published}) + "\n")


if __name__ == "__main__":
    _train(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
