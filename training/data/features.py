"""Rows of a manifest as embeddings: from the cache where they are known, else from the crop files, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from dinolabel.training.data.near_duplicates import BITS, PRINT_DIGEST, Hashes, hash_pixels
from dinolabel.training.data.manifest import CropRow
from dinolabel.vision.storage.cache import Cache, embedding_key
from dinolabel.vision.errors import MediaError
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.loading.feature_slice import Feature, features_of
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Crop, CropPolicy, Embeddings
from dinolabel.vision.progress import Listener, Progress, ignore

BATCH = 32  # crops embedded at once, and at most what an interruption costs

log = structlog.get_logger(__name__)
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """rows and embeddings (N, D) go together. quarantined: (crop, why) of those that could not be used. cached: rows that were known.

    features: what the columns are, the narrowest first.
    """

    rows: tuple[CropRow, ...]
    embeddings: Embeddings
    quarantined: tuple[tuple[str, str], ...]
    cached: int
    features: tuple[Feature, ...] = ()


def embed(
    rows: Sequence[CropRow],
    *,
    folder: Path,
    policy: CropPolicy,
    embedder: Embedder,
    cache: Cache | None,
    listener: Listener = ignore,
) -> Features:
    """One embedding a row; a crop that cannot be read is left out and named. listener: hears of the rows done."""
    keys = [embedding_key(row.image_key, row.box, policy, embedder.digest) for row in rows]
    known = _from_cache(keys, cache, dim=embedder.dim)
    missing = [(row, key) for row, key in zip(rows, keys, strict=True) if key not in known]
    quarantined: list[tuple[str, str]] = []
    cached = len(rows) - len(missing)
    for start in range(0, len(missing), BATCH):
        listener(Progress("Embedding", cached + start, len(rows)))
        fresh = _embed_files(missing[start : start + BATCH], folder=folder, embedder=embedder, quarantined=quarantined)
        known.update(fresh)
        if cache is not None:
            cache.put_embeddings(fresh)
    listener(Progress("Embedding", len(rows), len(rows)))
    kept = [(row, known[key]) for row, key in zip(rows, keys, strict=True) if key in known]
    stacked = np.stack([vector for _, vector in kept]) if kept else np.zeros((0, embedder.dim), np.float32)
    return Features(tuple(row for row, _ in kept), stacked, tuple(quarantined), cached, features_of(embedder))


def prints(rows: Sequence[CropRow], *, folder: Path, policy: CropPolicy, cache: Cache | None) -> Hashes:
    """(N, BITS) fingerprints of the crops, so that near-duplicates are found; cached, because a crop file must be read for it.

    Zeros for the detector's view of an object that a person drew too, and for files that cannot be read: they are like nothing.
    """
    out = np.zeros((len(rows), BITS), np.float32)
    asked = [at for at, row in enumerate(rows) if row.view == "person"]
    keys = {at: embedding_key(rows[at].image_key, rows[at].box, policy, PRINT_DIGEST) for at in asked}
    known = _from_cache(list(keys.values()), cache, dim=BITS)
    fresh: dict[str, Vector] = {}
    for at, key in keys.items():
        if key not in known:
            try:
                known[key] = fresh[key] = hash_pixels(open_image(folder / rows[at].crop).pixels)
            except (MediaError, ValueError) as error:
                log.info("crop_without_fingerprint", crop=rows[at].crop, why=str(error))
                continue
        out[at] = known[key]
    if cache is not None and fresh:
        cache.put_embeddings(fresh)
    return out


def _from_cache(keys: Sequence[str], cache: Cache | None, *, dim: int) -> dict[str, Vector]:
    found = cache.get_embeddings(keys) if cache is not None else {}
    return {key: vector for key, vector in found.items() if vector.shape == (dim,) and np.isfinite(vector).all()}


def crops(rows: Sequence[CropRow], *, folder: Path) -> tuple[list[Crop], npt.NDArray[np.bool_]]:
    """The crops that can be read, and (N,) which those are."""
    opened = [_open(row, folder, []) for row in rows]
    return [each for each in opened if each is not None], np.array([each is not None for each in opened], dtype=bool)


def _open(row: CropRow, folder: Path, quarantined: list[tuple[str, str]]) -> Crop | None:
    try:
        return Crop(open_image(folder / row.crop).pixels)
    except (MediaError, ValueError) as error:
        log.warning("crop_quarantined", crop=row.crop, why=str(error))
        quarantined.append((row.crop, str(error)))
        return None


def _embed_files(
    batch: Sequence[tuple[CropRow, str]], *, folder: Path, embedder: Embedder, quarantined: list[tuple[str, str]]
) -> dict[str, Vector]:
    opened = {key: crop for row, key in batch if (crop := _open(row, folder, quarantined)) is not None}
    return dict(zip(opened, embedder.embed(list(opened.values())), strict=True)) if opened else {}
