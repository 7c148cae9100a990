"""Teaches the detector's backbone the nouns first: a dense classifier on its image tokens, without text or transformer.

From nothing, the whole detector spends its first thousands of scenes on learning to see
while it pays for the transformer each time; the backbone alone costs a fifth of that per scene. It resumes after being stopped.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import GroundingDinoForObjectDetection

from dinolabel.vision.loading.device import quick_training
from recipes.nano.architecture import build_detector
from recipes.nano.art import CACHE
from recipes.nano.batches import Batch, Batches
from recipes.nano.forward import flat, token_shapes
from recipes.nano.losses import assign_dense, noun_loss
from recipes.nano.optim import cosine, decay_groups
from recipes.nano.parallel import average_weights, world
from recipes.nano.training import LossLog, main, save_checkpoint
from recipes.nano.vocabulary import load_nouns

log = logging.getLogger(__name__)

SEED = 3
TOTAL = 1_050  # iterations
BATCH = 32  # scenes, of all processes together
PROCESSES = 2
MEET_EVERY = 10  # iterations between two averagings of the processes' weights
RATE = 2e-3
DECAY = 0.02
WARM_UP = 100
SAVE_EVERY = 50
RUN = CACHE / "backbone.pt"
PARTS = ("backbone.", "input_proj_vision.")  # what is trained here and handed to the detector


def image_tokens(model: GroundingDinoForObjectDetection, batch: Batch) -> Tensor:
    """(B, N, D): all levels' features before any attention, as the detector flattens them."""
    inner = model.model
    with quick_training():
        pixels = batch.normalised()
        maps = inner.backbone.conv_encoder.model(pixels, return_dict=True).feature_maps
        levels = [project(maps[min(n, len(maps) - 1)]) for n, project in enumerate(inner.input_proj_vision)]
    return flat(levels)


class Run:
    """All that must survive a stop."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.model = build_detector()
        self.head = nn.Linear(self.model.config.d_model, len(load_nouns()) + 1)
        trained = [p for n, p in self.model.model.named_parameters() if n.startswith(PARTS)] + [*self.head.parameters()]
        self.weights = trained
        self.optimizer = torch.optim.AdamW(decay_groups(trained, DECAY), lr=RATE, betas=(0.9, 0.99), fused=True)
        self.iteration = 0

    def parts(self) -> dict[str, Tensor]:
        return {k: v for k, v in self.model.model.state_dict().items() if k.startswith(PARTS)}

    def save(self, path: Path) -> None:
        state = {
            "iteration": self.iteration, "parts": self.parts(), "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        save_checkpoint(state, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.iteration = state["iteration"]
        self.model.model.load_state_dict(state["parts"], strict=False)
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])


def train(*, total: int = TOTAL, until: int | None = None, path: Path = RUN, size: int = BATCH) -> Run:
    rank, processes = world()
    run = Run()
    if path.exists():
        run.load(path)
        log.info("resumed at %d", run.iteration)
    batches = Batches(seed=SEED, total=total, size=size // processes, small_until=1.0, easy_until=0.7)
    run.model.train()
    losses = LossLog(SAVE_EVERY)
    while run.iteration < min(until or total, total):
        for group in run.optimizer.param_groups:
            group["lr"] = RATE * cosine(run.iteration, total, WARM_UP)
        batch = batches.part(run.iteration, rank)
        given = assign_dense(token_shapes(*batch.pixels.shape[1:3]), batch)
        loss, right = noun_loss(run.head(image_tokens(run.model, batch)), given, batch)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(run.weights, 5.0)
        run.optimizer.step()
        run.iteration += 1
        if run.iteration % MEET_EVERY == 0:
            average_weights([*run.parts().values(), *run.head.parameters()])
        if rank == 0 and losses.add(run.iteration, {"loss": loss.item(), "named": right}):
            run.save(path)
    if rank == 0:
        run.save(path)
    return run


if __name__ == "__main__":
    main(__doc__, train, total=TOTAL, processes=PROCESSES)
