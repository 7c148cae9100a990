"""Unfreezes the last blocks of a DINOv2 so that it sees a difference it was never taught to see; the ancestor's way, kept short.

The frozen blocks run once over each crop and what comes out
of them is kept, so an epoch costs the tuned blocks only. The loss is a softmax over cosines to one centre per name, because cosines are
what heads and thresholds of ours work on, and sees the class token alone. Whole groups are left out, and the epoch that does best on them
is kept (early stopping); nothing of the held-out side is ever seen.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel

from dinolabel.training.finetune.options import FineTuneOptions
from dinolabel.vision.embedders.dinov2 import Dinov2
from dinolabel.vision.loading.transformers_loader import load, silence_transformers
from dinolabel.vision.loading.weights import NAME_FILE
from dinolabel.vision.progress import Listener, Progress
from dinolabel.vision.types import Crop

EPOCHS, PATIENCE = 20, 4  # at most; and so many without a better one end it
BATCH = 16
RATE_TIMES_WIDTH = 0.128  # a rate of 1e-3 for nano's 128, 3e-4 for ViT-S: wider networks bear less
CENTRES = 10.0  # times the rate of the blocks: they begin as class means and move with them
SCALE = 16.0  # of the cosines in the softmax, as the embedded embedder was made with
SMOOTHING = 0.05
DECAY = 0.05
WARM_UP = 20  # steps
FREE = 2 << 30  # bytes of GPU memory below which another program has it
AT_ONCE = 32  # crops through the frozen blocks

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Course:
    """log_loss: mean negative log likelihood on the left-out groups, before and after each epoch. best: the epoch kept, 0 for none."""

    log_loss: tuple[float, ...]
    best: int
    device: str


def tune(
    base: Dinov2,
    crops: Sequence[Crop],
    truth: Codes,
    left_out: npt.NDArray[np.bool_],
    options: FineTuneOptions,
) -> Course:
    """Tune base's network on crops (N) with truth (N,) columns, but for those left out (N,); write it to the folder `options.out`, which
    `dinolabel.vision.embedders.dinov2` reads.
    """
    with _seed(options.seed):
        network = _Network(base, options.blocks)
        tokens = network.frozen(crops)
        course = _run(network, tokens, torch.from_numpy(truth), torch.from_numpy(left_out), seed=options.seed, listener=options.listener)
    network.save(options.out, called=f"{base.weights}, {network.blocks} blocks tuned")
    return course


class _Network:
    """The base's network in two parts: what stays frozen, and what is tuned. On a GPU that has room, else on the CPU."""

    def __init__(self, base: Dinov2, blocks: int) -> None:
        self.base, self.device = base, _device(base.device)
        self.model = load(AutoModel, base.folder, device=self.device)
        layers = list(self.model.encoder.layer)
        self.blocks = min(blocks, len(layers))
        self.below, self.above = layers[: len(layers) - self.blocks], layers[len(layers) - self.blocks :]
        self.model.requires_grad_(False)
        self.tuned = [each for layer in (*self.above, self.model.layernorm) for each in layer.parameters()]
        for each in self.tuned:
            each.requires_grad_(True)

    @torch.no_grad()
    def frozen(self, crops: Sequence[Crop]) -> Tensor:
        """(N, T, width) what goes into the tuned blocks; half precision, because there are T tokens a crop."""
        parts = []
        for start in range(0, len(crops), AT_ONCE):
            hidden = self.model.embeddings(self.base.pixels(crops[start : start + AT_ONCE]).to(self.device))
            parts.append(_forward_layers(self.below, hidden).half().cpu())
        return torch.cat(parts)

    def __call__(self, tokens: Tensor) -> Tensor:
        """(B, width) unit rows: the class token."""
        hidden = _forward_layers(self.above, tokens.to(self.device).float())
        return F.normalize(self.model.layernorm(hidden)[:, 0], dim=-1)

    @torch.no_grad()
    def rows(self, tokens: Tensor) -> Tensor:
        return torch.cat([self(part) for part in tokens.split(4 * BATCH)])

    def save(self, out: Path, *, called: str) -> None:
        with silence_transformers():
            self.model.save_pretrained(out)
        for name in ("preprocessor_config.json", "processor_config.json"):
            if (self.base.folder / name).is_file():
                shutil.copy2(self.base.folder / name, out / name)
        (out / NAME_FILE).write_text(json.dumps({"weights": called}) + "\n", encoding="utf-8")


def _run(network: _Network, tokens: Tensor, truth: Tensor, left_out: Tensor, *, seed: int, listener: Listener) -> Course:
    learn, judge = torch.nonzero(~left_out)[:, 0], torch.nonzero(left_out)[:, 0]
    truth = truth.to(network.device)
    centres = nn.Parameter(_means(network.rows(tokens[learn]), truth[learn]))
    steps = EPOCHS * math.ceil(len(learn) / BATCH)
    rate = RATE_TIMES_WIDTH / network.model.config.hidden_size
    groups: list[dict[str, Any]] = [{"params": network.tuned, "lr": rate}, {"params": [centres], "lr": rate * CENTRES}]
    optimiser = torch.optim.AdamW(groups, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    weigh = _balance(truth[learn])
    order = torch.Generator().manual_seed(seed)
    found, best, kept = [_log_loss(network, tokens[judge], truth[judge], centres)], 0, _copy_parameters(network.tuned)
    for epoch in range(1, EPOCHS + 1):
        for part in torch.randperm(len(learn), generator=order).split(BATCH):
            rows = learn[part]
            logits = SCALE * network(tokens[rows]) @ F.normalize(centres, dim=-1).T
            loss = F.cross_entropy(logits, truth[rows], weight=weigh, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.tuned, 1.0)
            optimiser.step()
            schedule.step()
        listener(Progress("Fine-tuning", epoch, EPOCHS))
        found.append(_log_loss(network, tokens[judge], truth[judge], centres))
        if found[-1] < found[best]:
            best, kept = epoch, _copy_parameters(network.tuned)
        elif epoch - best >= PATIENCE:
            break
    _restore_parameters(network.tuned, kept)
    return Course(tuple(round(each, 4) for each in found), best, network.device)


@torch.no_grad()
def _log_loss(network: _Network, tokens: Tensor, truth: Tensor, centres: Tensor) -> float:
    logits = SCALE * network.rows(tokens) @ F.normalize(centres, dim=-1).T
    return float(F.cross_entropy(logits, truth, weight=_balance(truth, len(centres))))


def _means(rows: Tensor, truth: Tensor) -> Tensor:
    return F.normalize(torch.stack([rows[truth == name].mean(dim=0) for name in range(int(truth.max()) + 1)]), dim=-1)


def _balance(truth: Tensor, names: int | None = None) -> Tensor:
    """(names,) weights: rare names count as much as frequent ones."""
    counts = torch.bincount(truth, minlength=names or 0).clamp(min=1).float()
    return counts.mean() / counts


def _share(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * min(step, steps) / steps)) / 2


def _forward_layers(layers: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    for layer in layers:
        given = layer(hidden)
        hidden = given[0] if isinstance(given, tuple) else given
    return hidden


def _copy_parameters(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [each.detach().clone() for each in parameters]


@torch.no_grad()
def _restore_parameters(parameters: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    for each, value in zip(parameters, kept, strict=True):
        each.copy_(value)


def _device(wanted: str) -> str:
    """The embedder's, unless that is a GPU that others have filled."""
    if wanted.startswith("cuda") and torch.cuda.mem_get_info(wanted)[0] < FREE:
        return "cpu"
    return wanted


@contextmanager
def _seed(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        yield
