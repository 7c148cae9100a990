"""Finds the heads that learnt somebody, by name, by crop and by embedding, and removes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dinolabel.erasure.text_search import Mention
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import BundleMismatch
from dinolabel.vision.images.crop_id import object_of
from dinolabel.vision.types import Embeddings
from dinolabel.vision.vectors import truncate_features

SAME = 1e-4  # cosine distance below which two embeddings are of one crop


def vectors(store: BundleStore, project: str, mention: Mention) -> tuple[Embeddings, float]:
    """(N, D) embeddings that any head keeps under the name, and the greatest distance at which one of those heads would say it."""
    found, distance = [], 0.0
    for bundle in _all(store, project).values():
        mine = np.array([mention.within(label) for label in bundle.reference_labels], dtype=bool)
        if mine.any():
            found.append(bundle.references[mine])
            distance = max(distance, bundle.distance_threshold)
    return stack(found), distance


def stack(parts: Sequence[Embeddings]) -> Embeddings:
    """(N, D) all rows of these, over the columns that all have: a head or an earlier embedder may know the first ones only."""
    some = [each for each in parts if len(each)]
    width = min((each.shape[1] for each in some), default=0)
    return np.concatenate([truncate_features(each, width) for each in some]) if some else np.zeros((0, 0), np.float32)


def holding(store: BundleStore, project: str, mention: Mention, objects: Iterable[str], theirs: Embeddings) -> list[str]:
    """Ids of the project's bundles that know the name, a crop of these objects, or one of these embeddings."""
    known = set(objects)
    return [identity for identity, bundle in _all(store, project).items() if _holds(bundle, mention, known, theirs)]


def _holds(bundle: Bundle, mention: Mention, objects: set[str], theirs: Embeddings) -> bool:
    if any(map(mention.within, bundle.labels)):
        return True
    if bundle.own and (bundle.own.objects & objects or any(map(mention.within, bundle.own.learnt))):
        return True  # its embedder was tuned on them, whether or not the head has them still
    ids = [*bundle.reference_ids, *(bundle.nothing.ids if bundle.nothing else ())]
    if any(object_of(each) in objects for each in ids):
        return True
    kept = [bundle.references, *((bundle.nothing.rejected, bundle.nothing.kept) if bundle.nothing else ())]
    if not len(theirs):
        return False
    width = min(theirs.shape[1], bundle.references.shape[1])  # who knows the first columns only is compared over those
    mine = truncate_features(theirs, width)
    return any(float((truncate_features(each, width) @ mine.T).max()) > 1 - SAME for each in kept if len(each))


def _all(store: BundleStore, project: str) -> dict[str, Bundle]:
    """Every head that opens, and its judge, by id. One that is damaged opens for nobody, and its files are swept like any others."""
    found: dict[str, Bundle] = {}
    for entry in store.history(project):
        try:
            found[entry.id] = store.get(project, entry.id)
        except BundleMismatch:
            continue
    return found
