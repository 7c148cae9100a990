"""The dense student's network: a GroundingDINO checkpoint's own backbone and projections, and a small head that reads every cell.

Anchor-free, after FCOS (Tian et al. 2019): each cell of each level says which class has an object there, and where its box is. Boxes are
shares of the picture, centre and size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig
from transformers.backbone_utils import load_backbone

from dinolabel.vision.errors import ModelError

KINDS = frozenset({"grounding-dino", "mm-grounding-dino"})
LEVELS = 2  # of the backbone's outputs, the coarsest; a third, of double the stride, where the checkpoint has a projection for it
MOST_WIDE = 128  # channels of the towers
TOWER = 2  # convolutions in each
GROUPS = 16
REACH = 3.2  # strides that one unit of a box is worth
RARE = -3.0  # bias of the classes: at first nothing is anywhere
LARGEST = 6.0  # of a size's exponent, so that a wild weight gives no infinite box
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # GroundingDINO's


class Eyes(nn.Module):
    """Pixels to maps of `channels`, finest first. settings: config.json of the checkpoint that the weights come from."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        config = AutoConfig.for_model(**settings)
        self.backbone = load_backbone(config)
        thaw_norms(self.backbone)
        sizes = [int(each) for each in self.backbone.channels]
        self.channels, self.used = int(config.d_model), min(LEVELS, len(sizes))
        groups = math.gcd(32, self.channels)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(size, self.channels, 1), nn.GroupNorm(groups, self.channels)) for size in sizes[-self.used :]
        )
        if config.num_feature_levels > len(sizes):
            further = nn.Conv2d(sizes[-1], self.channels, 3, stride=2, padding=1)
            self.projections.append(nn.Sequential(further, nn.GroupNorm(groups, self.channels)))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        found = self.backbone(pixels, return_dict=True).feature_maps[-self.used :]
        maps = [project(each) for project, each in zip(self.projections, found, strict=False)]
        return [*maps, *(project(found[-1]) for project in self.projections[self.used :])]


class DenseStudent(nn.Module):
    """(B, 3, S, S) uint8 RGB in; out (B, N, C) logits and (B, N, 4) cx cy w h as shares of the picture, for N cells of all levels."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: Mapping[str, Any], classes: int) -> None:
        super().__init__()
        self.eyes = Eyes(settings)
        channels, wide = self.eyes.channels, min(MOST_WIDE, self.eyes.channels)
        levels = len(self.eyes.projections)
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(levels - 1))
        self.naming, self.placing = _tower(channels, wide), _tower(channels, wide)
        self.classes, self.boxes = nn.Conv2d(wide, classes, 1), nn.Conv2d(wide, 4, 3, padding=1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        for each in self.down:
            nn.init.zeros_(each.weight)
            nn.init.zeros_(each.bias)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.constant_(self.classes.bias, RARE)
        nn.init.normal_(self.boxes.weight, std=0.01)
        nn.init.zeros_(self.boxes.bias)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.eyes((pixels.to(self.mean.dtype) / 255 - self.mean) / self.std)
        for level in range(len(maps) - 2, -1, -1):
            coarser = F.interpolate(self.down[level](maps[level + 1]), size=maps[level].shape[-2:], mode="nearest")
            maps[level] = maps[level] + coarser
        logits, boxes = [], []
        for each in maps:
            logits.append(self.classes(self.naming(each)).flatten(2).transpose(1, 2))
            boxes.append(_boxes(self.boxes(self.placing(each))))
        return torch.cat(logits, 1), torch.cat(boxes, 1)

    def shapes(self, side: int) -> list[tuple[int, int]]:
        """Cells (height, width) of each level for a picture of that side."""
        with torch.no_grad():
            maps = self.eyes(torch.zeros(1, 3, side, side, device=self.mean.device))
        return [(each.shape[-2], each.shape[-1]) for each in maps]


def thaw_norms(module: nn.Module) -> None:
    """Live BatchNorm classes in place of transformers' frozen ones, filled from their numbers: those of a trained backbone stay."""
    for name, child in module.named_children():
        if type(child).__name__.endswith("FrozenBatchNorm2d"):
            live = nn.BatchNorm2d(child.weight.shape[0])
            live.load_state_dict(child.state_dict(), strict=False)
            setattr(module, name, live)
        else:
            thaw_norms(child)


def take_eyes(teacher: nn.Module, student: DenseStudent) -> None:
    """Copy backbone and projections from a loaded GroundingDINO."""
    core = teacher.model
    backbone = core.backbone.conv_encoder.model
    absent = student.eyes.backbone.load_state_dict(backbone.state_dict(), strict=False)  # a frozen norm counts no batches
    if left := [each for each in (*absent.missing_keys, *absent.unexpected_keys) if not each.endswith("num_batches_tracked")]:
        raise ModelError(f"The detector's backbone does not fit the student: {left[0]}.", hint="Use the checkpoint's own config.json.")
    first = len(backbone.channels) - student.eyes.used
    for own, theirs in zip(student.eyes.projections, list(core.input_proj_vision)[first:], strict=False):
        own.load_state_dict(theirs.state_dict())


def _tower(channels: int, wide: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    for number in range(TOWER):
        steps += [nn.Conv2d(channels if number == 0 else wide, wide, 3, padding=1), nn.GroupNorm(math.gcd(GROUPS, wide), wide), nn.SiLU()]
    return nn.Sequential(*steps)


def _boxes(raw: Tensor) -> Tensor:
    """(B, 4, H, W) of the head to (B, H * W, 4) cx cy w h."""
    height, width = raw.shape[-2:]
    x = (torch.arange(width, device=raw.device, dtype=raw.dtype) + 0.5) / width
    y = (torch.arange(height, device=raw.device, dtype=raw.dtype) + 0.5) / height
    across, down = REACH / width, REACH / height
    centre_x = x[None, None, :] + raw[:, 0] * across
    centre_y = y[None, :, None] + raw[:, 1] * down
    wide, high = raw[:, 2].clamp(max=LARGEST).exp() * across, raw[:, 3].clamp(max=LARGEST).exp() * down
    return torch.stack([centre_x, centre_y, wide, high], -1).flatten(1, 2)
