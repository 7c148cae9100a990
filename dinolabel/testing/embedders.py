"""Laws of an embedder (dinolabel/vision/protocols.py): each is a function of the embedder and of crops."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from dinolabel.vision.loading.feature_slice import features_of, slice_for
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Crop

NORM_ERROR = BATCH_ERROR = 1e-5


def drawn_crops(count: int = 19) -> list[Crop]:
    """Noise, 1 to 299 pixels a side."""
    draw = np.random.default_rng(3)
    sides = draw.integers(1, 300, count)
    return [Crop(draw.integers(0, 256, (side, side, 3), dtype=np.uint8)) for side in sides]


def check_embedder(build: Callable[[], Embedder], *, crops: Sequence[Crop] | None = None) -> None:
    """Every law, on an embedder that `build()` makes ready. crops: without, noise of many sizes. Raises AssertionError."""
    embedder, some = build(), list(crops) if crops is not None else drawn_crops()
    for law in EMBEDDER_LAWS:
        law(embedder, some)
    again = build()
    assert (again.name, again.digest) == (embedder.name, embedder.digest), "built twice alike, it has two names or digests"


def gives_unit_rows(embedder: Embedder, crops: Sequence[Crop]) -> None:
    """(N, dim) float32, finite, of unit norm; N = 0 too, and flat crops."""
    flat = [Crop(np.full((40, 40, 3), value, dtype=np.uint8)) for value in (0, 255)]
    for some in (crops, flat, []):
        rows = embedder.embed(some)
        assert rows.shape == (len(some), embedder.dim), f"{len(some)} crops give {rows.shape}, expected {(len(some), embedder.dim)}"
        assert rows.dtype == np.float32, f"rows are {rows.dtype}, expected float32"
        assert np.isfinite(rows).all(), "some numbers are none"
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=NORM_ERROR), "a row is not of unit norm"


def names_features(embedder: Embedder, crops: Sequence[Crop]) -> None:
    """Where it names features: first columns, the narrowest first, the whole row last, each with a digest of its own."""
    features = features_of(embedder)
    widths = [each.width for each in features]
    assert widths == sorted(set(widths)), f"features have the widths {widths}, expected ever wider ones"
    assert len({each.digest for each in features}) == len({each.words for each in features}) == len(widths), "two features are one"
    assert (features[-1].width, features[-1].digest) == (embedder.dim, embedder.digest), "the last feature is not the whole row"
    for each in features:
        part = slice_for(embedder, each.digest)
        assert (part.digest, part.dim) == (each.digest, each.width), f"the feature {each.words} cannot be had alone"
        gives_unit_rows(part, crops[:3])


def batch_size_does_not_matter(embedder: Embedder, crops: Sequence[Crop]) -> None:
    alone = np.concatenate([embedder.embed([each]) for each in crops])
    for rows in (embedder.embed(crops), embedder.embed(crops[::-1])[::-1]):
        apart = float(np.abs(rows - alone).max())
        assert apart < BATCH_ERROR, f"a crop among others differs by {apart:.1e} from the same alone"


def tells_crops_apart(embedder: Embedder, crops: Sequence[Crop]) -> None:
    rows = embedder.embed(crops[:6])
    assert (rows @ rows.T - np.eye(len(rows))).max() < 0.9999, "two crops have one vector"


def leaves_crops_alone(embedder: Embedder, crops: Sequence[Crop]) -> None:
    before = [each.pixels.copy() for each in crops]
    embedder.embed(crops)
    assert all(np.array_equal(each.pixels, pixels) for each, pixels in zip(crops, before, strict=True)), "it changes crops"


def says_which_it_is(embedder: Embedder, crops: Sequence[Crop]) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", embedder.name), f"the name {embedder.name!r} has more than a-z, 0-9 and -"
    assert re.fullmatch(r"[0-9a-f]{16,}", embedder.digest), f"the digest {embedder.digest!r} is no hex digest of 16 letters or more"
    assert embedder.weights and not embedder.weights.startswith("/"), f"weights is for people, and no path: {embedder.weights!r}"
    assert embedder.device and embedder.precision, "device and precision are empty"


EMBEDDER_LAWS: tuple[Callable[[Embedder, Sequence[Crop]], None], ...] = (
    leaves_crops_alone,  # before the others have asked
    gives_unit_rows,
    names_features,
    batch_size_does_not_matter,
    tells_crops_apart,
    says_which_it_is,
)
