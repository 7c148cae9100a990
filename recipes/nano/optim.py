"""What the trainings' optimizers have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import nn


def cosine(iteration: int, total: int, warm_up: int) -> float:
    """Share of the full rate: up in `warm_up` iterations, then down along half a cosine wave."""
    share = (1 + math.cos(math.pi * iteration / total)) / 2
    return min((iteration + 1) / warm_up, max(share, 0.01))


def decay_groups(parameters: Iterable[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and filters, none on biases and norms."""
    given = list(parameters)
    return [
        {"params": [p for p in given if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in given if p.ndim <= 1], "weight_decay": 0.0},
    ]
