"""JSON out of a file or from somebody else: what is none is a ValueError, however odd it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def parse_json(text: str | bytes, *, constant: Callable[[str], Any] | None = None) -> Any:
    """As `json.loads`, which lets a RecursionError out where lists lie too deep. constant: what stands for NaN and Infinity.

    Raises ValueError.
    """
    try:
        return json.loads(text, parse_constant=constant)
    except RecursionError as error:
        raise ValueError("lists or objects lie too deep in each other") from error
