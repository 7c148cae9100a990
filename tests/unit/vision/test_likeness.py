"""Copies are near, other pictures are far, and clusters hold together."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from dinolabel.vision.images.perceptual_hash import NEAR, clusters, hamming_distance, nearest, perceptual_hash


def drawing(seed: int, *, side: int = 200) -> np.ndarray:
    """Soft shapes, as photographs have: a handful of random low frequencies."""
    rng = np.random.default_rng(seed)
    small = PIL.Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((side, side), PIL.Image.Resampling.BICUBIC))


def as_jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=40)
    return np.asarray(PIL.Image.open(file).convert("RGB"))


CHANGES = {
    "saved as JPEG": as_jpeg,
    "half the size": lambda pixels: np.asarray(PIL.Image.fromarray(pixels).resize((100, 100), PIL.Image.Resampling.BOX)),
    "a little darker": lambda pixels: (pixels * 0.9).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_near(change: str) -> None:
    for seed in range(20):
        assert hamming_distance(perceptual_hash(drawing(seed)), perceptual_hash(CHANGES[change](drawing(seed)))) <= NEAR


def test_other_pictures_are_far() -> None:
    prints = [perceptual_hash(drawing(seed)) for seed in range(40)]
    apart = [hamming_distance(one, other) for at, one in enumerate(prints) for other in prints[:at]]
    assert min(apart) > NEAR and 26 <= np.mean(apart) <= 36
    assert all(0 <= each < 2**63 for each in prints)


def test_flat_pictures_are_all_the_same() -> None:
    assert len({perceptual_hash(np.full((50, 70, 3), grey, np.uint8)) for grey in (0, 90, 255)}) == 1


def test_the_nearest_of_none_is_far() -> None:
    assert nearest(0, []) == 64
    assert nearest(0b1011, [0b0000, 0b1111]) == 1


@pytest.mark.parametrize(
    ("prints", "near", "expected"),
    [
        ([], 2, []),
        ([0, 0b111, 0b111111], 3, [0, 0, 0]),  # a chain
        ([0, (1 << 60) - 1, 1], 2, [0, 1, 0]),
        ([0b1111, 1 << 62, 0, 0b1], 1, [0, 1, 1, 1]),
        ([0b1111, 0, 0b11], 2, [0, 0, 0]),  # the last one joins two that were apart
    ],
)
def test_clusters_are_chains_of_neighbours(prints: list[int], near: int, expected: list[int]) -> None:
    assert clusters(prints, near=near) == expected
