"""Which pictures are nearly the same: a perceptual hash of 63 bits, and clusters of what lies close.

Pure functions of pixels; knows nothing of where pictures come from or what is decided on the clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import PIL.Image

from dinolabel.vision.types import Pixels

SIDE = 32  # pixels the picture is shrunk to before its frequencies are taken
LOW = 8  # frequencies kept each way
NEAR = 6
"""Bits in which two pictures may differ and still be called the same. Measured on crops of the demo's scenes: saving one as JPEG of
quality 40 moves up to 4; two crops of one drawing on other backgrounds differ by 10 or more (99 % of them), crops of different drawings by
16 or more."""


def perceptual_hash(pixels: Pixels) -> int:
    """63 bits: which of the lowest frequencies are above their median (pHash: Zauner 2010, Implementation and Benchmarking of Perceptual
    Image Hash Functions). pixels: (H, W, 3) uint8 RGB. Blind to size, colour and small changes of light; not to turning or mirroring.
    """
    small = PIL.Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    basis = _cosines()
    low = (basis @ np.asarray(small, dtype=np.float64) @ basis.T).ravel()[1:]  # the first is the mean brightness
    # a flat picture has no frequencies: rounding keeps noise far below a grey level from deciding its bits
    bits = np.round(low, 3) > np.median(np.round(low, 3))
    return int.from_bytes(np.packbits(np.append(False, bits)).tobytes(), "big")


def hamming_distance(one: int, other: int) -> int:
    """Bits in which two fingerprints differ, 0..63."""
    return (one ^ other).bit_count()


def nearest(one: int, others: Iterable[int]) -> int:
    """Bits to the closest of the others; 64, more than there are, when there is none."""
    return min((hamming_distance(one, each) for each in others), default=64)


def clusters(fingerprints: Sequence[int], *, near: int = NEAR) -> list[int]:
    """For each fingerprint the position of the first one of its cluster. Chains count: a is with c when both are near b."""
    codes = np.array(fingerprints, dtype=np.uint64)
    parent = list(range(len(codes)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for at in range(1, len(codes)):
        for other in np.flatnonzero(np.bitwise_count(codes[:at] ^ codes[at]) <= near):
            one, two = sorted((root(at), root(int(other))))
            parent[two] = one
    return [root(at) for at in range(len(codes))]


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """(LOW, SIDE) first rows of the orthonormal DCT-II."""
    rows, columns = np.arange(LOW)[:, None], np.arange(SIDE)[None, :]
    basis = np.cos(math.pi * (2 * columns + 1) * rows / (2 * SIDE)) * math.sqrt(2 / SIDE)
    basis[0] /= math.sqrt(2)
    return np.asarray(basis)
