"""Finds the heads that learnt somebody, by name, by crop and by embedding, and removes them. Knows bundles and their store."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dinolabel.forgetting.mention import Mention
from vision.bundle import Bundle
from vision.errors import BundleMismatch
from vision.store import Store
from vision.types import Embeddings

SAME = 1e-4  # cosine distance below which two embeddings are of one crop


def vectors(store: Store, project: str, mention: Mention) -> tuple[Embeddings, float]:
    """(N, D) embeddings that any head keeps under the name, and the greatest distance at which one of those heads would say it."""
    found, distance = [], 0.0
    for bundle in _all(store, project).values():
        mine = np.array([mention.within(label) for label in bundle.reference_labels], dtype=bool)
        if mine.any():
            found.append(bundle.references[mine])
            distance = max(distance, bundle.distance_threshold)
    width = found[0].shape[1] if found else 0
    return (np.concatenate([each for each in found if each.shape[1] == width]) if found else np.zeros((0, 0), np.float32)), distance


def holding(store: Store, project: str, mention: Mention, objects: Iterable[str], theirs: Embeddings) -> list[str]:
    """Ids of the project's bundles that know the name, a crop of these objects, or one of these embeddings."""
    known = set(objects)
    return [identity for identity, bundle in _all(store, project).items() if _holds(bundle, mention, known, theirs)]


def _holds(bundle: Bundle, mention: Mention, objects: set[str], theirs: Embeddings) -> bool:
    if any(map(mention.within, bundle.labels)):
        return True
    if bundle.own and (bundle.own.objects & objects or any(map(mention.within, bundle.own.learnt))):
        return True  # its embedder was tuned on them, whether or not the head has them still
    ids = [*bundle.reference_ids, *(bundle.nothing.ids if bundle.nothing else ())]
    if any(each.rsplit("/", 1)[0] in objects for each in ids):
        return True
    kept = [bundle.references, *((bundle.nothing.rejected, bundle.nothing.kept) if bundle.nothing else ())]
    theirs = theirs[:, : bundle.references.shape[1]] if theirs.ndim == 2 else theirs  # a head may know the first columns only
    theirs = theirs / np.maximum(np.linalg.norm(theirs, axis=1, keepdims=True), 1e-12) if len(theirs) else theirs
    comparable = [each for each in kept if len(each) and len(theirs) and each.shape[1] == theirs.shape[1]]
    return any(float((each @ theirs.T).max()) > 1 - SAME for each in comparable)


def _all(store: Store, project: str) -> dict[str, Bundle]:
    """Every head that opens, and its judge, by id. One that is damaged opens for nobody, and its files are swept like any others."""
    found: dict[str, Bundle] = {}
    for entry in store.history(project):
        try:
            found[entry.id] = store.get(project, entry.id)
        except BundleMismatch:
            continue
    return found
