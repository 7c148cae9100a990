"""Embeddings of rows: from the cache, from crop files, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinolabel.training.data import features
from dinolabel.training.data.features import Features, embed
from dinolabel.training.data.manifest import CropRow, read
from dinolabel.vision.storage.cache import Cache, embedding_key
from dinolabel.vision.types import Crop, Embeddings
from tests.blobs import POLICY, World


class MeanColour:
    """Unit vector of a crop's mean colour; counts what it was asked."""

    name, digest, dim = "mean-colour", "c0104", 3

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        self.batches.append(len(crops))
        means = np.stack([crop.pixels.reshape(-1, 3).mean(axis=0) for crop in crops])
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache.sqlite", max_mb=20)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Five crops: red, green, blue, grey, white."""
    folder = World().crowd(["a"], images=5).write(tmp_path / "export", Cache(tmp_path / "other.sqlite", max_mb=20))
    for row, colour in zip(read(folder).rows, np.repeat(["red", "lime", "blue", "grey", "white"], 2), strict=True):
        (folder / row.crop).parent.mkdir(exist_ok=True)
        PIL.Image.new("RGB", (8, 8), str(colour)).save(folder / row.crop)
    return folder


def run(export: Path, embedder: MeanColour, cache: Cache | None) -> Features:
    return embed(rows_of(export), folder=export, policy=POLICY, embedder=embedder, cache=cache)


def rows_of(export: Path) -> list[CropRow]:
    return [row for row in read(export).rows if row.view == "person"]


def test_crop_files_are_embedded_in_order(export: Path, cache: Cache) -> None:
    found = run(export, MeanColour(), cache)
    third = 1 / np.sqrt(3)
    assert found.embeddings == pytest.approx(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [third] * 3, [third] * 3]), abs=1e-6)
    assert [row.task for row in found.rows] == [0, 1, 2, 3, 4]
    assert (found.cached, found.quarantined) == (0, ())


def test_the_second_time_nothing_is_embedded(export: Path, cache: Cache) -> None:
    first, again = run(export, MeanColour(), cache), MeanColour()
    second = run(export, again, cache)
    assert again.batches == []
    assert second.cached == 5
    assert np.array_equal(first.embeddings, second.embeddings)


def test_without_a_cache(export: Path) -> None:
    assert len(run(export, MeanColour(), None).rows) == 5


def test_only_what_is_missing_is_embedded(export: Path, cache: Cache) -> None:
    run(export, MeanColour(), cache)
    other = Cache(export.parent / "part.sqlite", max_mb=20)
    keys = [embedding_key(row.image_key, row.box, POLICY, MeanColour.digest) for row in rows_of(export)]
    other.put_embeddings({keys[1]: np.array([0.6, 0.8, 0], np.float32)})
    embedder = MeanColour()
    found = run(export, embedder, other)
    assert embedder.batches == [4]
    assert found.embeddings[1] == pytest.approx([0.6, 0.8, 0])


@pytest.mark.parametrize("wrong", [np.ones(7, np.float32), np.array([np.nan, 0, 1], np.float32)], ids=["length", "not finite"])
def test_a_damaged_entry_is_a_miss(export: Path, cache: Cache, wrong: np.ndarray) -> None:
    row = rows_of(export)[0]
    cache.put_embeddings({embedding_key(row.image_key, row.box, POLICY, MeanColour.digest): wrong})
    found = run(export, MeanColour(), cache)
    assert found.cached == 0
    assert found.embeddings[0] == pytest.approx([1, 0, 0])


def test_crops_that_cannot_be_read_are_named_and_left_out(export: Path, cache: Cache) -> None:
    names = [row.crop for row in rows_of(export)]
    (export / names[0]).write_bytes((export / names[0]).read_bytes()[:40])
    (export / names[2]).unlink()
    PIL.Image.new("RGB", (8, 9)).save(export / names[3])
    found = run(export, MeanColour(), cache)
    assert [row.task for row in found.rows] == [1, 4]
    assert found.embeddings.shape == (2, 3)
    assert [crop for crop, _ in found.quarantined] == [names[0], names[2], names[3]]
    assert all(why for _, why in found.quarantined)


def test_in_batches_with_progress(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BATCH", 2)
    embedder, seen = MeanColour(), list[tuple[int, int]]()
    embed(
        rows_of(export),
        folder=export,
        policy=POLICY,
        embedder=embedder,
        cache=None,
        listener=lambda event: seen.append((event.done, event.total)),
    )
    assert embedder.batches == [2, 2, 1]
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_no_rows(export: Path) -> None:
    found = embed([], folder=export, policy=POLICY, embedder=MeanColour(), cache=None)
    assert found.embeddings.shape == (0, 3)
