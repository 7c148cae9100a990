"""Ways with tensors that several parts of the network share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def change_in_parts(change: Callable[..., Tensor], tokens: Tensor, *beside: Tensor, rows: int) -> Tensor:
    """`change(tokens, *beside)` written over `tokens`, a few rows at a time, so that what lies between stays in the processor's cache.

    All rows at once where the graph of the network is recorded, which must not know how many there are. change: looks at each row alone.
    """
    if torch.jit.is_tracing():
        return change(tokens, *beside)
    for part in zip(*(each.split(rows) for each in (tokens, *beside)), strict=True):
        part[0].copy_(change(*part))
    return tokens
