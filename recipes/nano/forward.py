"""One training forward of the detector: every head's predictions, matched and turned into one loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import GroundingDinoForObjectDetection

from dinolabel.vision.loading.device import quick_training
from recipes.nano.batches import Batch
from recipes.nano.losses import WEIGHTS, assign_dense, assign_queries, closed_set_loss, detection_loss, noun_loss

STRIDES = (16, 32, 64)
FLOOR = -40.0  # in place of the -inf that transformers puts on padding: infinities and zeros do not mix


@dataclass(frozen=True)
class Predictions:
    """Logits over the prompt's tokens and boxes, of one head."""

    logits: Tensor  # (B, N, T) float32
    boxes: Tensor  # (B, N, 4) cx cy w h
    reference: Tensor | None  # the boxes that a decoder layer started from


def token_shapes(height: int, width: int) -> list[tuple[int, int]]:
    return [(-(-height // s), -(-width // s)) for s in STRIDES]


def predict_all(model: GroundingDinoForObjectDetection, batch: Batch) -> tuple[list[Predictions], Tensor]:
    """The dense head's and each decoder layer's predictions, and the image tokens of the encoder."""
    width = batch.input_ids.shape[1]
    with quick_training():
        out = model.model(
            pixel_values=batch.normalised(), input_ids=batch.input_ids,
            attention_mask=batch.text_mask.long(), return_dict=True,
        )  # fmt: skip
    dense_boxes = out.enc_outputs_coord_logits.float().sigmoid()
    heads = [Predictions(out.enc_outputs_class[..., :width].float().clamp(min=FLOOR), dense_boxes, None)]
    text = out.encoder_last_hidden_state_text.float()
    reference = out.init_reference_points.float()
    for layer in range(out.intermediate_hidden_states.shape[1]):
        hidden = out.intermediate_hidden_states[:, layer].float()
        logits = hidden @ text.transpose(1, 2)
        boxes = (model.bbox_embed[layer](hidden) + torch.special.logit(reference, eps=1e-5)).sigmoid()
        heads.append(Predictions(logits, boxes, reference))
        reference = out.intermediate_reference_points[:, layer].float()
    return heads, out.encoder_last_hidden_state_vision.float()


def flat(levels: list[Tensor]) -> Tensor:
    """Feature maps (B, D, H, W) as tokens (B, N, D), in the detector's own order."""
    return torch.cat([level.float().flatten(2).transpose(1, 2) for level in levels], 1)


@contextmanager
def tapped(model: GroundingDinoForObjectDetection) -> Iterator[list[Tensor]]:
    """The projected backbone maps of whatever forward runs inside."""
    levels: list[Tensor] = []
    hooks = [m.register_forward_hook(lambda _module, _input, out: levels.append(out)) for m in model.model.input_proj_vision]
    try:
        yield levels
    finally:
        for hook in hooks:
            hook.remove()


def total_loss(model: GroundingDinoForObjectDetection, throwaway: nn.ModuleDict, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum, and its parts for the log. `throwaway`: classifiers that are not shipped."""
    with tapped(model) as levels:
        heads, tokens = predict_all(model, batch)
    shapes = token_shapes(*batch.pixels.shape[1:3])
    dense = assign_dense(shapes, batch)
    parts = {
        "closed": closed_set_loss(throwaway["closed"](tokens), dense, batch),
        "backbone": noun_loss(throwaway["backbone"](flat(levels)), dense, batch)[0],
    }
    for number, head in enumerate(heads):
        given = dense if head.reference is None else assign_queries(head.reference, batch, one_to_one=number > 1)
        for name, value in detection_loss(head.logits, head.boxes, given, batch).items():
            parts[f"{number}.{name}"] = value
    loss = torch.stack([WEIGHTS[name.split(".")[-1]] * value for name, value in parts.items()]).sum()
    return loss, {name: value.item() for name, value in parts.items()}
