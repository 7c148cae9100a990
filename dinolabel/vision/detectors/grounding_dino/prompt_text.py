"""The words' side of the network, which no picture changes: made once a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.models.grounding_dino.modeling_grounding_dino import generate_masks_with_special_tokens_and_transfer_map


@dataclass(frozen=True, slots=True)
class PromptText:
    """features: (T, D). position: (1, T, D) of each token in its phrase. mask: (1, T, T) which tokens see each other."""

    features: Tensor
    position: Tensor
    mask: Tensor


def prompt_text(model: Any, ids: Sequence[int]) -> PromptText:
    """By transformers' own modules, from the token ids of a prompt."""
    tokens = torch.tensor([list(ids)])
    mask, places = generate_masks_with_special_tokens_and_transfer_map(tokens, model.special_tokens)
    features = model.text_projection(model.text_backbone(tokens, mask[:, None], torch.zeros_like(tokens), places).last_hidden_state)
    position = model.encoder.layers[0].get_text_position_embeddings(features, None, places)
    return PromptText(features[0], position, mask)
