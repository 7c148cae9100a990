"""Ways with tensors that several parts of the network share."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

ONEDNN = (
    platform.machine() in {"x86_64", "AMD64"} and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
)
"""Whether oneDNN multiplies: in float32 torch asks MKL by itself, whose products take 1.1 to 1.2 times as long on an AMD of 2023."""


def linear(tokens: Tensor, weight: Tensor, bias: Tensor | None = None, *, then: str = "none") -> Tensor:
    """(..., O) of (..., I) by (O, I) weights, as torch's. then: `none`, or the function that follows: `relu`, `gelu`."""
    if ONEDNN:
        return torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, then, [], "none")  # type: ignore[no-any-return]
    found = torch.nn.functional.linear(tokens, weight, bias)
    return found if then == "none" else getattr(torch.nn.functional, then)(found)  # type: ignore[no-any-return]


def apply(layer: Any, tokens: Tensor, *, then: str = "none") -> Tensor:
    """The same by one of torch's `nn.Linear`."""
    return linear(tokens, layer.weight, layer.bias, then=then)


def change_in_parts(change: Callable[..., Tensor], tokens: Tensor, *beside: Tensor, rows: int) -> Tensor:
    """`change(tokens, *beside)` written over `tokens`, a few rows at a time, so that what lies between stays in the processor's cache.

    change: looks at each row alone.
    """
    for part in zip(*(each.split(rows) for each in (tokens, *beside)), strict=True):
        part[0].copy_(change(*part))
    return tokens
