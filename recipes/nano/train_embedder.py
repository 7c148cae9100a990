"""Trains the nano DINOv2 from nothing to tell designs apart.   python -m recipes.nano.train_embedder

Two tasks on the class token and the mean patch token: say which identity it is (a
cosine-softmax over all, and over those of one noun), and draw a tiny clean picture of it from a crop with clutter, light and
blur. The softmax alone stays at chance for hundreds of iterations. What starts a transformer quickly: the drawing, positions
that are sines and cosines before they are learnt, Muon, and a plan that begins with bare scenes, small crops and designs that
are told apart at a glance. It resumes after being stopped.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

from dinolabel.vision.loading.device import quick_training
from recipes.nano.art import CACHE
from recipes.nano.batches import MEAN, STD
from recipes.nano.crops import NO_PLAN, PLAN, SIDE, SKETCH, Crops, made_ahead
from recipes.nano.optim import cosine, decay_groups
from recipes.nano.training import LossLog, copy_weights, main, save_checkpoint, update_average

log = logging.getLogger(__name__)

SEED = 2
TOTAL = 16_000  # iterations
BATCH = 48  # crops
RATE = 1.5e-3  # of AdamW: embeddings, norms, biases, centres, the drawing
MATRIX_RATE = 0.02  # of Muon: the encoder's matrices
DECAY = 0.05
WARM_UP = 100
SCALE = 16.0  # of the cosine-softmax
PATCHES = 0.5  # weight of the mean patch token's loss
POSITIONS = 0.5  # size of the waves that position embeddings begin as
SKETCHES = 4.0  # weight of the drawing's squared error
WITHIN = 1.0  # weight of the softmax among the designs of one noun
CLIP = 2.0
SAVE_EVERY = 100
RUN = CACHE / "embedder.pt"


def embedder_config() -> Dinov2Config:
    return Dinov2Config(
        hidden_size=128, num_hidden_layers=4, num_attention_heads=4, mlp_ratio=3, patch_size=14, image_size=SIDE,
        layerscale_value=1.0, drop_path_rate=0.0,
    )  # fmt: skip


def build_embedder() -> Dinov2Model:
    """Wider than transformers' own initialisation, which is meant for long runs.

    Plain attention: on a CPU the backward pass of torch's fused one makes an iteration 1.8 times as slow.
    """
    config = embedder_config()
    config._attn_implementation = "eager"
    model = Dinov2Model(config)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "token" not in name:
            nn.init.xavier_uniform_(weight)
    nn.init.trunc_normal_(model.embeddings.patch_embeddings.projection.weight, std=0.04)
    side = SIDE // config.patch_size
    model.embeddings.position_embeddings.data[0, 1:] = POSITIONS * waves(side, config.hidden_size)
    return model


def waves(side: int, width: int) -> Tensor:
    """(side * side, width) sines and cosines of each patch's row and column, at wavelengths from 2 pi patches up (Vaswani et al. 2017)."""
    rates = 10_000 ** -torch.linspace(0, 1, width // 4)
    angles = torch.arange(side)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = line[:, None].expand(side, side, -1), line[None, :].expand(side, side, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)


class Run:
    """All that must survive a stop."""

    def __init__(self, identities: int) -> None:
        torch.manual_seed(SEED)
        self.model = build_embedder()
        width = self.model.config.hidden_size
        self.centres = nn.Parameter(torch.randn(2, identities, width) * 0.1)  # of class and of patch tokens
        self.artist = nn.Linear(width, 4 * SKETCH * SKETCH)
        self.optimizers = self.build_optimizers()
        self.average = copy_weights(self.model)
        self.iteration = 0

    def build_optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        """Muon for the matrices of the encoder, AdamW for the rest: together they learn faster than AdamW alone."""
        encoder = [p for p in self.model.encoder.parameters() if p.ndim == 2]
        taken = {id(p) for p in encoder}
        rest = [p for p in [*self.model.parameters(), *self.artist.parameters()] if id(p) not in taken]
        groups = [*decay_groups(rest, DECAY), {"params": [self.centres], "weight_decay": 0.0}]
        # A matrix shrinks by rate times decay in a step: as slowly as under AdamW.
        muon = torch.optim.Muon(encoder, lr=MATRIX_RATE, weight_decay=DECAY * RATE / MATRIX_RATE)
        return torch.optim.AdamW(groups, lr=RATE, fused=True), muon

    def meet_twins(self, crops: Crops) -> None:
        """Twins that were not shown yet begin at their original's centres."""
        self.centres.data.copy_(self.centres.data[:, crops.begins_at])

    def set_rates(self, total: int) -> None:
        for optimizer, rate in zip(self.optimizers, (RATE, MATRIX_RATE), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * cosine(self.iteration, total, WARM_UP)

    def learn(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for optimizer in self.optimizers:
            optimizer.step()
        self.iteration += 1

    def start_from(self, folder: Path) -> None:
        """An embedder of an earlier run, perhaps for smaller crops, instead of nothing."""
        weights = Dinov2Model.from_pretrained(folder, dtype=torch.float32).state_dict()
        name = "embeddings.position_embeddings"
        weights[name] = stretched(weights[name], self.model.state_dict()[name].shape[1])
        self.model.load_state_dict(weights)
        self.average = copy_weights(self.model)

    def save(self, path: Path) -> None:
        state = {
            "iteration": self.iteration, "model": self.model.state_dict(), "centres": self.centres.data,
            "artist": self.artist.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers],
            "average": self.average, "rng": torch.get_rng_state(),
        }  # fmt: skip
        save_checkpoint(state, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.iteration, self.average = state["iteration"], state["average"]
        self.model.load_state_dict(state["model"])
        self.centres.data.copy_(state["centres"])
        self.artist.load_state_dict(state["artist"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        torch.set_rng_state(state["rng"])


def stretched(positions: Tensor, tokens: int) -> Tensor:
    """Position embeddings (1, 1 + side * side, D) for another square grid; the class token's stays."""
    first, grid = positions[:, :1], positions[:, 1:]
    old, new = math.isqrt(grid.shape[1]), math.isqrt(tokens - 1)
    maps = grid.transpose(1, 2).reshape(1, -1, old, old)
    resized = F.interpolate(maps, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([first, resized.flatten(2).transpose(1, 2)], 1)


def identity_loss(run: Run, pixels: Tensor, labels: Tensor, crops: Crops) -> tuple[Tensor, dict[str, float]]:
    with quick_training():
        tokens = run.model((pixels.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD).last_hidden_state
    total = torch.zeros(())
    parts: dict[str, float] = {}
    for name, weight, number, view in (("class", 1.0, 0, tokens[:, 0]), ("patches", PATCHES, 1, tokens[:, 1:].mean(1))):
        view = view.float()
        logits = SCALE * F.normalize(view, dim=-1) @ F.normalize(run.centres[number], dim=-1).T
        rivals = logits.masked_fill(crops.noun_of[labels][:, None] != crops.noun_of[None, :], -1e4)
        all_of_them, of_noun = F.cross_entropy(logits, labels), F.cross_entropy(rivals, labels)
        drawn = F.mse_loss(run.artist(view), crops.sketches[labels])
        total = total + weight * (all_of_them + WITHIN * of_noun + SKETCHES * drawn)
        parts |= {f"{name}.identity": all_of_them.item(), f"{name}.of_noun": of_noun.item(), f"{name}.drawn": drawn.item()}
    return total, parts


def train(
    *, total: int = TOTAL, until: int | None = None, path: Path = RUN, size: int = BATCH, first: Path | None = None, seed: int = SEED
) -> Run:
    """Runs to `until` (or the end) of a schedule of `total` iterations. `first`: a folder whose weights to start from."""
    crops = Crops(seed=seed, size=size, plan=NO_PLAN if first else PLAN)
    run = Run(len(crops.identities))
    if path.exists():
        run.load(path)
        log.info("resumed at %d", run.iteration)
    elif first is not None:
        run.start_from(first)
    end = min(until or total, total)
    ahead = made_ahead(crops, run.iteration, end)
    losses = LossLog(SAVE_EVERY)
    while run.iteration < end:
        if run.iteration == crops.plan.easy_until:
            run.meet_twins(crops)
        run.set_rates(total)
        pixels, labels = next(ahead)
        loss, parts = identity_loss(run, pixels, labels, crops)
        run.learn(loss)
        update_average(run.average, run.model, run.iteration)
        if losses.add(run.iteration, parts):
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


def export(folder: Path) -> None:
    """Write the average of the last checkpoint as a folder of weights."""
    export_embedder(torch.load(RUN, weights_only=True)["average"], folder)


if __name__ == "__main__":
    main(__doc__, train, total=TOTAL, seed=SEED, export=export)
