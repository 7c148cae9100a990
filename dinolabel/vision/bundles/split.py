"""Which groups are held out: decided once by their name, and the same on every machine for ever."""

from __future__ import annotations

import hashlib
from typing import Literal

Side = Literal["train", "held_out"]
HELD_OUT = 0.25


def split_side(group: str) -> Side:
    """The side of a group, from a stable hash of its name; about a quarter of all groups are held out."""
    return "held_out" if split_share(group) < HELD_OUT else "train"


def split_share(group: str) -> float:
    """Where a group stands between 0 and 1; those below HELD_OUT are held out."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
