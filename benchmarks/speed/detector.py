"""GroundingDINO Swin-T at 800 x 1066, from a picture in memory to candidates: ours beside the package, transformers and what we were."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine import Row, row
from benchmarks.speed.baselines import ROOT, Looker, surroundings
from dinolabel.vision.loading.device import computes_bfloat16
from dinolabel.vision.originals.convert import convert

CONFIGS = ("addict", "yapf")  # what the package reads its configs with
OTHERS = {"groundingdino-py": "groundingdino-py 0.4.0", "transformers": "transformers", "before": "242536f"}
GOALS = {"exact": {"groundingdino-py": 4.0, "before": 2.5}, "fast": {"groundingdino-py": 7.0}}
"""Of a CPU with AVX512-BF16 and no AMX; with AMX fast has to be 10 times, and 6.5 times what we were."""


def weights(folder: Path) -> Path:
    """Swin-T at random weights, the same for all: groundingdino-py's file, and in the folder ours is made of it."""
    made = folder / "package"
    beside = folder / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(beside), *CONFIGS], check=True)
    environment = surroundings("groundingdino-py")
    environment["PYTHONPATH"] += os.pathsep + str(beside)
    command = [sys.executable, str(ROOT / "tests" / "parity" / "official.py"), str(made), "swin_t"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    out = convert(made / "weights.pth", folder / "swin_t", tokenizer=str(made / "tokenizer"))
    (made / "weights.pth").rename(out / "weights.pth")
    (made / "tokenizer" / "vocab.txt").rename(out / "vocab.txt")
    return out


def rows(folder: Path, rounds: int) -> Iterator[Row]:
    """In turns, one picture each; medians of the CPU seconds."""
    ours = ["exact", *(["fast"] if computes_bfloat16() else [])]
    here = weights(folder)
    lookers = [Looker(way, str(here)) for way in (*OTHERS, *ours)]
    for each in lookers:
        each.wait()
    taken: dict[str, list[float]] = {each.way: [] for each in lookers}
    for _ in range(rounds):
        for each in lookers:
            taken[each.way].append(each.look()["cpu"])
    for each in lookers:
        each.end()
    cost = {way: statistics.median(each) for way, each in taken.items()}
    for way, seconds in cost.items():
        yield row(f"800x1066, Swin-T, {OTHERS.get(way, way)}, CPU seconds a picture", seconds, "-", holds=True)
    for way in ours:
        for other, name in OTHERS.items():
            goal, times = GOALS[way].get(other), cost[other] / cost[way]
            told = "-" if goal is None else f">= {goal}"
            yield row(f"800x1066, Swin-T, {way}, against {name}, times", times, told, holds=goal is None or times >= goal)
