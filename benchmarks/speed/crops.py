"""Crops: embedding them (ViT-S at random weights, 224 pixels), and training on a thousand."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import AutoModel, BitImageProcessorPil, Dinov2Config, Dinov2Model

from benchmarks.engine import Row, row
from benchmarks.study import ancestor, clock
from dinolabel.vision.embedders.dinov2 import build
from dinolabel.vision.loading.device import computes_bfloat16
from dinolabel.vision.types import Crop

AT_ONCE = 16
CROPS = 1000
EPOCH_STEPS = 2 * ancestor.CROPS // ancestor.BATCH


def rows(folder: Path, rounds: int) -> Iterator[Row]:
    torch.set_num_threads(1)
    drawn = [np.random.default_rng(at).integers(0, 256, (200, 200, 3), dtype=np.uint8) for at in range(AT_ONCE)]
    here = weights(folder / "vit-s")
    exact = build(str(here), device="cpu")
    ways = {"transformers' loop": loop(here, drawn), "float32": lambda: exact.embed([Crop(each) for each in drawn])}
    if computes_bfloat16():
        coarse = build(str(here), device="cpu", precision="bfloat16")
        ways["bfloat16"] = lambda: coarse.embed([Crop(each) for each in drawn])
        apart = 1 - float((ways["float32"]() * ways["bfloat16"]()).sum(1).min())
        yield row("embed ViT-S, bfloat16, 1 - least cosine to float32", apart, "<= 1e-4", holds=apart <= 1e-4)
    cost = in_turns(ways, rounds)
    for way, seconds in cost.items():
        yield row(f"embed 1,000 crops ViT-S, {way}, CPU seconds (from {AT_ONCE} crops)", seconds * CROPS / AT_ONCE, "-", holds=True)
    for way in list(cost)[1:]:
        times = cost["transformers' loop"] / cost[way]
        yield row(f"embed 1,000 crops ViT-S, {way}, against transformers' loop, times", times, ">= 4", holds=times >= 4)
    yield from training(folder, cost["float32"] * CROPS / AT_ONCE)


def weights(folder: Path) -> Path:
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518)).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}).save_pretrained(folder)
    return folder


def loop(folder: Path, drawn: list[np.ndarray]) -> Callable[[], Any]:
    """One crop after the other, as most scripts have it."""
    model, processor = AutoModel.from_pretrained(folder).eval(), BitImageProcessorPil.from_pretrained(folder)

    def embed() -> None:
        with torch.no_grad():
            for each in drawn:
                model(**processor(PIL.Image.fromarray(each), return_tensors="pt"))

    return embed


def in_turns(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, a round to warm up apart."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, do in ways.items():
            begun = time.process_time()
            do()
            if number:
                taken[way].append(time.process_time() - begun)
    return {way: statistics.median(each) for way, each in taken.items()}


def training(folder: Path, embedding: float) -> Iterator[Row]:
    """A training of 1,000 crops in its process, and one epoch of the ancestor's over the same, from a few of its steps.

    embedding: CPU seconds of the crops in float32, as it is when nothing is set.
    """
    before = _children()
    clock.timed(CROPS, folder / "clock")
    cached = _children() - before
    begun, steps = time.process_time(), 2
    ancestor.seconds_1000(steps)
    epoch = (time.process_time() - begun) / (steps + 1) * EPOCH_STEPS
    yield row("train 1,000 crops, cached, CPU seconds", cached, "-", holds=True)
    yield row(f"the ancestor's epoch of 1,000 crops, CPU seconds (from {steps + 1} steps)", epoch, "-", holds=True)
    for what, seconds, goal in (("cached", cached, 400), ("cold", cached + embedding, 15)):
        yield row(
            f"train 1,000 crops, {what}, against the ancestor's epoch, times", epoch / seconds, f">= {goal}", holds=epoch / seconds >= goal
        )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
