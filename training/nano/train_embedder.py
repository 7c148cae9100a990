"""Trains the nano DINOv2 from nothing to tell designs apart.   python -m training.nano.train_embedder

Knows nothing of the detector. A cosine-softmax over identities (and, harder, over the identities of one noun) on the
class token and on the mean patch token. It resumes after being stopped.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from pathlib import Path

from training.nano import architecture  # noqa: F401  keeps torchvision out before transformers is imported

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model
from training.nano.art import CACHE
from training.nano.batches import MEAN, STD
from training.nano.crops import SIDE, Crops

log = logging.getLogger(__name__)

SEED = 2
TOTAL = 900  # iterations
BATCH = 64  # crops
RATE = 1e-3
DECAY = 0.05
WARM_UP = 100
SCALE = 16.0  # of the cosine-softmax
PATCHES = 0.5  # weight of the mean patch token's loss
WITHIN = 0.5  # weight of the softmax among the designs of one noun
AVERAGE = 0.995
SAVE_EVERY = 100
RUN = CACHE / "embedder.pt"
SHIPPED = Path("models/nano/embedder")


def embedder_config() -> Dinov2Config:
    return Dinov2Config(
        hidden_size=128, num_hidden_layers=6, num_attention_heads=4, mlp_ratio=3, patch_size=14, image_size=SIDE,
        layerscale_value=1.0, drop_path_rate=0.0,
    )  # fmt: skip


class Run:
    """All that must survive a stop."""

    def __init__(self, identities: int) -> None:
        torch.manual_seed(SEED)
        self.model = Dinov2Model(embedder_config())
        width = self.model.config.hidden_size
        self.centres = nn.Parameter(torch.randn(2, identities, width) * 0.1)  # of class and of patch tokens
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": [*others, self.centres], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.iteration = 0

    def save(self, path: Path) -> None:
        state = {
            "iteration": self.iteration, "model": self.model.state_dict(), "centres": self.centres.data,
            "optimizer": self.optimizer.state_dict(), "average": self.average, "rng": torch.get_rng_state(),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.iteration, self.average = state["iteration"], state["average"]
        self.model.load_state_dict(state["model"])
        self.centres.data.copy_(state["centres"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])


def identity_loss(run: Run, pixels: Tensor, labels: Tensor, noun_of: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        tokens = run.model((pixels.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD).last_hidden_state
    views = F.normalize(torch.stack([tokens[:, 0], tokens[:, 1:].mean(1)]).float(), dim=-1)  # (2, B, D)
    logits = SCALE * views @ F.normalize(run.centres, dim=-1).transpose(1, 2)
    rivals = logits.masked_fill(noun_of[labels][None, :, None] != noun_of[None, None, :], -1e4)
    losses = [F.cross_entropy(a, labels) + WITHIN * F.cross_entropy(b, labels) for a, b in zip(logits, rivals, strict=True)]
    return losses[0] + PATCHES * losses[1]


@torch.no_grad()
def update_average(run: Run) -> None:
    keep = min(AVERAGE, (1 + run.iteration) / (10 + run.iteration))
    state = run.model.state_dict()
    torch._foreach_lerp_([run.average[k] for k in state], list(state.values()), 1 - keep)


def train(*, total: int = TOTAL, until: int | None = None, path: Path = RUN, size: int = BATCH) -> Run:
    crops = Crops(seed=SEED, size=size)
    run = Run(len(crops.identities))
    if path.exists():
        run.load(path)
        log.info("resumed at %d", run.iteration)
    started, summed = time.time(), 0.0
    while run.iteration < min(until or total, total):
        for group in run.optimizer.param_groups:
            share = (1 + math.cos(math.pi * run.iteration / total)) / 2
            group["lr"] = RATE * min((run.iteration + 1) / WARM_UP, max(share, 0.01))
        pixels, labels = crops.batch(run.iteration)
        loss = identity_loss(run, pixels, labels, crops.noun_of)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimizer.step()
        run.iteration += 1
        update_average(run)
        summed += loss.item()
        if run.iteration % SAVE_EVERY == 0:
            log.info("%d  %.2f s/it  loss %.3f", run.iteration, (time.time() - started) / SAVE_EVERY, summed / SAVE_EVERY)
            started, summed = time.time(), 0.0
            run.save(path)
    run.save(path)
    return run


def export_embedder(weights: dict[str, Tensor], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stock = Dinov2Model(embedder_config())
    stock.load_state_dict(weights)
    stock.half().save_pretrained(folder)
    processor = BitImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
        image_mean=MEAN.flatten().tolist(), image_std=STD.flatten().tolist(),
    )  # fmt: skip
    processor.save_pretrained(folder)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total", type=int, default=TOTAL)
    parser.add_argument("--until", type=int)
    parser.add_argument("--export", type=Path, help="write the average of the last checkpoint here and stop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.export:
        export_embedder(torch.load(RUN, weights_only=True)["average"], options.export)
    else:
        train(total=options.total, until=options.until)
