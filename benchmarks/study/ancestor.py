"""The ancestor's recipe for comparison: the whole ViT-S trained for one epoch on the same crops and their mirror images.

Adam, rate 1e-6, batches of 8, as Hbvsa/DinoCustomObjectDetection does (src/train_model.py there).
"""

from __future__ import annotations

import time

import numpy as np
import torch
from transformers import Dinov2Config, Dinov2Model

CROPS, BATCH, RATE, SIDE, NAMES, WIDTH = 1000, 8, 1e-6, 224, 10, 384
STEPS_MEASURED = 3


def seconds_1000(steps: int = STEPS_MEASURED) -> float:
    """Seconds of one epoch over 1,000 crops and their mirror images, from the median of some steps; weights do not matter for time."""
    torch.manual_seed(0)
    body, head = _body(), torch.nn.Linear(WIDTH, NAMES)
    optimiser = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=RATE)
    taken = []
    for _ in range(steps + 1):
        pixels, truth = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(0, NAMES, (BATCH,))
        started = time.monotonic()
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(body(pixel_values=pixels).last_hidden_state[:, 0]), truth)
        loss.backward()
        optimiser.step()
        taken.append(time.monotonic() - started)
    return round(float(np.median(taken[1:])) * 2 * CROPS / BATCH, 1)


@torch.inference_mode()
def embedding_1000(steps: int = STEPS_MEASURED) -> float:
    """Seconds that the same network takes to embed 1,000 crops once: what a training of ours adds where nothing is cached."""
    torch.manual_seed(0)
    body, taken = _body().eval(), []
    for _ in range(steps + 1):
        pixels = torch.randn(BATCH, 3, SIDE, SIDE)
        started = time.monotonic()
        body(pixel_values=pixels)
        taken.append(time.monotonic() - started)
    return round(float(np.median(taken[1:])) * CROPS / BATCH, 1)


def _body() -> Dinov2Model:
    return Dinov2Model(Dinov2Config(hidden_size=WIDTH, num_hidden_layers=12, num_attention_heads=6, image_size=SIDE, patch_size=14))
