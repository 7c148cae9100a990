"""Trains the nano GroundingDINO from nothing.   python -m recipes.nano.train_detector

Stop it whenever you like: started again it goes on
from its last checkpoint, with the same schedule, optimiser, EMA and batches.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import torch
from torch import nn
from transformers import GroundingDinoForObjectDetection

from recipes.nano import train_backbone
from recipes.nano.architecture import build_detector, export_detector
from recipes.nano.art import CACHE
from recipes.nano.batches import Batch, Batches
from recipes.nano.forward import total_loss
from recipes.nano.parallel import average_weights, launch, world
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
AVERAGE = 0.998  # EMA; a long one: an average of many good weights holds for drawings that it never saw better than its last
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


@torch.no_grad()
def update_average(average: dict[str, torch.Tensor], model: nn.Module, iteration: int) -> None:
    keep = min(AVERAGE, (1 + iteration) / (10 + iteration))
    pairs = [(average[name], value) for name, value in model.state_dict().items() if value.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in pairs], [v for _, v in pairs], 1 - keep)


class Run:
    """All that must survive a stop."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.model: GroundingDinoForObjectDetection = build_detector()
        width, nouns = self.model.config.d_model, len(load_nouns())
        self.throwaway = nn.ModuleDict({"closed": nn.Linear(width, nouns), "backbone": nn.Linear(width, nouns + 1)})
        self.optimizer = build_optimizer(self.model, self.throwaway)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.iteration = 0

    def start_from(self, backbone: Path) -> None:
        """A backbone that already knows the nouns; without one the detector learns that as well, slowly."""
        if not backbone.exists():
            log.warning("no %s: starting from nothing", backbone)
            return
        state = torch.load(backbone, weights_only=True)
        self.model.model.load_state_dict(state["parts"], strict=False)
        self.throwaway["backbone"].load_state_dict(state["head"])
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def go_on_from(self, folder: Path) -> None:
        """The whole detector of an earlier run, as it was shipped."""
        weights = GroundingDinoForObjectDetection.from_pretrained(folder, dtype=torch.float32).state_dict()
        self.model.load_state_dict(weights, strict=False)  # the live BatchNorms' counters are not shipped
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def save(self, path: Path) -> None:
        state = {
            "iteration": self.iteration, "model": self.model.state_dict(), "throwaway": self.throwaway.state_dict(),
            "optimizer": self.optimizer.state_dict(), "average": self.average, "rng": torch.get_rng_state(),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

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
    started, sums = time.time(), dict[str, float]()
    while run.iteration < min(until or total, total):
        parts = step(run, batches.part(run.iteration, rank), total)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        if run.iteration % SAVE_EVERY == 0 and rank == 0:
            report(run, sums, time.time() - started)
            started, sums = time.time(), {}
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


def report(run: Run, sums: dict[str, float], seconds: float) -> None:
    means = " ".join(f"{name} {value / SAVE_EVERY:.3f}" for name, value in sums.items())
    log.info("%d  %.2f s/it  %s", run.iteration, seconds / SAVE_EVERY, means)


def main(total: int, until: int | None, first: Path | None = None, seed: int = SEED) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(total=total, until=until, first=first, seed=seed)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--total", type=int, default=TOTAL)
    parser.add_argument("--until", type=int)
    parser.add_argument("--first", type=Path, help="go on from the detector in this folder; give it again when resuming")
    parser.add_argument("--seed", type=int, default=SEED, help="of the scenes; another one for a run that goes on from --first")
    parser.add_argument("--export", type=Path, help="write the average of the last checkpoint here and stop")
    options = parser.parse_args()
    if options.export:
        export_detector(torch.load(RUN, weights_only=True)["average"], options.export)
    else:
        launch(options.processes, main, options.total, options.until, options.first, options.seed)
