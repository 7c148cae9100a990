"""Options of fine-tuning an embedder; without torch, so that they can be named where nothing is tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dinolabel.vision.progress import Listener, ignore


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """blocks: how many of the network's last are tuned; as many as there are means all. out: folder for the new weights.

    Same seed and machine: the same weights.
    """

    blocks: int
    out: Path
    seed: int
    listener: Listener = ignore
