"""Rows that hold several features one after the other: which there are, and an embedder that gives the first of them alone.

So a head that was trained on an embedder of fewer columns goes on answering, and heads may look at as many columns as serve them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import Crop, Embeddings
from dinolabel.vision.vectors import truncate_features


@dataclass(frozen=True, slots=True)
class Feature:
    """words: for people. width: so many first columns of the rows, made unit again. digest: of the embedder that gives just these."""

    words: str
    width: int
    digest: str


def features_of(embedder: Embedder) -> tuple[Feature, ...]:
    """Those it names in `features`, the narrowest first and the whole row last; else the whole row alone."""
    named: tuple[Feature, ...] = tuple(getattr(embedder, "features", ()))
    return named or (Feature("the whole embedding", embedder.dim, embedder.digest),)


def slice_for(embedder: Embedder, digest: str) -> Embedder:
    """The embedder of that digest where it is this one or among its features, else this one as it is."""
    found = next((each for each in features_of(embedder) if each.digest == digest), None)
    return embedder if found is None or found.digest == embedder.digest else SlicedEmbedder(embedder, found)


class SlicedEmbedder:
    """An `Embedder` (dinolabel/vision/protocols.py): one feature of another's rows, equal up to rounding to what the embedder of its
    digest gives."""

    def __init__(self, whole: Embedder, feature: Feature) -> None:
        self.whole, self.features = whole, (feature,)
        self.digest, self.dim = feature.digest, feature.width

    @property
    def name(self) -> str:
        return self.whole.name

    @property
    def weights(self) -> str:
        return self.whole.weights

    @property
    def device(self) -> str:
        return self.whole.device

    @property
    def precision(self) -> str:
        return self.whole.precision

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        """(N, dim) float32, rows of unit norm."""
        return self.of(self.whole.embed(crops))

    def of(self, rows: Embeddings) -> Embeddings:
        """(N, dim) from (N, D) rows of the whole."""
        return truncate_features(rows, self.dim)
