"""What the three trainings share: averaged weights, checkpoints that no kill cuts short, a log of losses, and the command line."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recipes.nano.parallel import launch

log = logging.getLogger(__name__)

AVERAGE = 0.998  # EMA; a long one: an average of many good weights holds for drawings that it never saw better than its last


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, iteration: int) -> None:
    keep = min(AVERAGE, (1 + iteration) / (10 + iteration))
    pairs = [(average[name], value) for name, value in model.state_dict().items() if value.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in pairs], [v for _, v in pairs], 1 - keep)


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


class LossLog:
    """Means of each part of the loss over `every` iterations."""

    def __init__(self, every: int) -> None:
        self._every, self._started, self._sums = every, time.time(), dict[str, float]()

    def add(self, iteration: int, parts: Mapping[str, float]) -> bool:
        """Whether `every` more iterations are over; then their means are in the log, and it is time for a checkpoint."""
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if iteration % self._every:
            return False
        means = " ".join(f"{name} {value / self._every:.3f}" for name, value in self._sums.items())
        log.info("%d  %.2f s/it  %s", iteration, (time.time() - self._started) / self._every, means)
        self._started, self._sums = time.time(), {}
        return True


def run(train: Callable[..., object], options: Mapping[str, Any]) -> None:
    """In each process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(**options)


def main(
    text: str | None,
    train: Callable[..., object],
    *,
    total: int,
    processes: int | None = None,
    seed: int | None = None,
    export: Callable[[Path], object] | None = None,
) -> None:
    """The command line of a training. processes: None: always one. seed, export: only of a training that makes a model to ship."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--total", type=int, default=total)
    parser.add_argument("--until", type=int)
    if processes:
        parser.add_argument("--processes", type=int, default=processes)
    if export:
        parser.add_argument("--first", type=Path, help="start from the weights in this folder; give it again when resuming")
        parser.add_argument("--seed", type=int, default=seed, help="of the drawings; another one for a run that goes on from --first")
        parser.add_argument("--export", type=Path, help="write the average of the last checkpoint here and stop")
    options = vars(parser.parse_args())
    folder, count = options.pop("export", None), options.pop("processes", 1)
    if export and folder:
        export(folder)
    else:
        launch(count, run, train, options)
