"""Trains the nano GroundingDINO from nothing.   python -m recipes.nano.train_detector

Stop it whenever you like: started again it goes on
from its last checkpoint, with the same schedule, optimiser, EMA and batches.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import nn
from transformers import GroundingDinoForObjectDetection

from recipes.nano import train_backbone
from recipes.nano.architecture import build_detector, export_detector
from recipes.nano.art import CACHE
from recipes.nano.batches import Batch, Batches
from recipes.nano.forward import total_loss
from recipes.nano.parallel import average_weights, world
from recipes.nano.training import LossLog, copy_weights, main, save_checkpoint, update_average
from recipes.nano.vocabulary import load_nouns

log = logging.getLogger(__name__)

SEED = 1
TOTAL = 8_500  # iterations
BATCH = 24  # scenes, of all processes together; more at once is hardly faster on a CPU and learns slower
PROCESSES = 2  # of one thread each: on two cores 1.7 times as fast as one process of two threads
MEET_EVERY = 10  # iterations between two averagings of the processes' weights
RATE = 1e-3
SLOW = 0.2  # sampling offsets move at this share of the rate: they start on a good grid
WARM_UP = 80
COOL_DOWN = 0.35  # of the run; the rate is flat before it, so that a run may be cut short or made longer
DECAY = 0.01
CLIP = 1.0
SAVE_EVERY = 50
RUN = CACHE / "detector.pt"


def rate_at(iteration: int, total: int) -> float:
    """Share of the full rate: up, flat, then straight down."""
    left = (total - iteration) / (COOL_DOWN * total)
    return max(min((iteration + 1) / WARM_UP, left, 1.0), 0.01)


def build_optimizer(model: nn.Module, throwaway: nn.Module) -> torch.optim.AdamW:
    """Weight decay on matrices only; a slower rate for sampling offsets."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in [*model.named_parameters(), *throwaway.named_parameters()]:
        share = SLOW if "sampling_offsets" in name else 1.0
        groups.setdefault((share, DECAY if weight.ndim > 1 else 0.0), []).append(weight)
    settings = [{"params": p, "share": share, "weight_decay": decay} for (share, decay), p in groups.items()]
    return torch.optim.AdamW(settings, lr=RATE, betas=(0.9, 0.99), fused=True)


class Run:
    """All that must survive a stop."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.model: GroundingDinoForObjectDetection = build_detector()
        width, nouns = self.model.config.d_model, len(load_nouns())
        self.throwaway = nn.ModuleDict({"closed": nn.Linear(width, nouns), "backbone": nn.Linear(width, nouns + 1)})
        self.optimizer = build_optimizer(self.model, self.throwaway)
        self.average = copy_weights(self.model)
        self.iteration = 0

    def start_from(self, backbone: Path) -> None:
        """A backbone that already knows the nouns; without one the detector learns that as well, slowly."""
        if not backbone.exists():
            log.warning("no %s: starting from nothing", backbone)
            return
        state = torch.load(backbone, weights_only=True)
        self.model.model.load_state_dict(state["parts"], strict=False)
        self.throwaway["backbone"].load_state_dict(state["head"])
        self.average = copy_weights(self.model)

    def go_on_from(self, folder: Path) -> None:
        """The whole detector of an earlier run, as it was shipped."""
        weights = GroundingDinoForObjectDetection.from_pretrained(folder, dtype=torch.float32).state_dict()
        self.model.load_state_dict(weights, strict=False)  # the live BatchNorms' counters are not shipped
        self.average = copy_weights(self.model)

    def save(self, path: Path) -> None:
        state = {
            "iteration": self.iteration, "model": self.model.state_dict(), "throwaway": self.throwaway.state_dict(),
            "optimizer": self.optimizer.state_dict(), "average": self.average, "rng": torch.get_rng_state(),
        }  # fmt: skip
        save_checkpoint(state, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.iteration, self.average = state["iteration"], state["average"]
        self.model.load_state_dict(state["model"])
        self.throwaway.load_state_dict(state["throwaway"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])


def train(
    *, total: int = TOTAL, until: int | None = None, path: Path = RUN, backbone: Path = train_backbone.RUN, size: int = BATCH,
    first: Path | None = None, seed: int = SEED,
) -> Run:  # fmt: skip
    """Runs to `until` (or the end) of a schedule of `total` iterations; every process calls it and makes its own scenes.

    `first`: a folder whose weights to start from, instead of from the backbone's; the early, easy part of the schedule is
    left out then.
    """
    rank, processes = world()
    run = Run()
    if path.exists():
        run.load(path)
        log.info("resumed at %d", run.iteration)
    elif first is not None:
        run.go_on_from(first)
    else:
        run.start_from(backbone)
    batches = Batches(seed=seed, total=total, size=size // processes, learnt=0.5 if first else 0.0)
    run.model.train()
    losses = LossLog(SAVE_EVERY)
    while run.iteration < min(until or total, total):
        parts = step(run, batches.part(run.iteration, rank), total)
        if rank == 0 and losses.add(run.iteration, parts):
            run.save(path)
    if rank == 0:
        run.save(path)
    return run


def step(run: Run, batch: Batch, total: int) -> dict[str, float]:
    for group in run.optimizer.param_groups:
        group["lr"] = RATE * group["share"] * rate_at(run.iteration, total)
    loss, parts = total_loss(run.model, run.throwaway, batch)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_([*run.model.parameters(), *run.throwaway.parameters()], CLIP)
    run.optimizer.step()
    run.iteration += 1
    if run.iteration % MEET_EVERY == 0:
        average_weights([*run.model.state_dict().values(), *run.throwaway.parameters()])
    update_average(run.average, run.model, run.iteration)
    return parts


def export(folder: Path) -> None:
    """Write the average of the last checkpoint as a folder of weights."""
    export_detector(torch.load(RUN, weights_only=True)["average"], folder)


if __name__ == "__main__":
    main(__doc__, train, total=TOTAL, processes=PROCESSES, seed=SEED, export=export)
