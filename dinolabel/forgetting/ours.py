"""Takes somebody out of what we keep ourselves: heads, exports, embeddings, and whatever file still holds the name.

Knows the data folder and where exports were written; nothing of Label Studio.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dinolabel import build
from dinolabel.forgetting import crops, heads, sweep
from dinolabel.forgetting.crops import Removed
from dinolabel.forgetting.mention import Mention
from dinolabel.settings import Settings
from vision.cache import embedding_key
from vision.store import Store
from vision.types import Box, CropPolicy, Embeddings, image_key


@dataclass(frozen=True)
class Taken:
    """heads: ids of those that are gone. serving: the id of the one that is left, or None. embeddings: how many the cache lost."""

    heads: list[str]
    serving: str | None
    removed: Removed
    embeddings: int

    def told(self) -> dict[str, str]:
        now = f"; now serving: {self.serving or 'none, boxes only'}" if self.heads else ""
        whole = f", and whole exports: {', '.join(self.removed.folders)}" if self.removed.folders else ""
        return {
            "heads": f"{', '.join(self.heads) or 'none'}{now}",
            "crops": f"{len(self.removed.rows)} removed{whole}",
            "embeddings": f"{self.embeddings} removed from the cache",
        }


def take_out(settings: Settings, project: str, mention: Mention, folders: list[Path]) -> Taken:
    """Heads that learnt them, their crops in `folders`, and their embeddings, near copies too."""
    store = build.store(settings)
    theirs, distance = heads.vectors(store, project, mention)
    removed = crops.clean(folders, mention)
    keys = _keys(store, project, removed)
    exact = _cached(settings, keys)
    gone = heads.holding(store, project, mention, removed.objects, heads.stacked([theirs, exact]))
    store.forget(project, gone)
    embeddings = build.cache(settings).forget(keys, exact if len(exact) else theirs, distance=distance)
    return Taken(gone, store.wanted(project), removed, embeddings)


def sweep_out(settings: Settings, project: str, mention: Mention, places: Iterable[Path]) -> tuple[int, int, list[Path]]:
    """Files changed or removed, copies of pictures removed, and files that hold the name all the same. places: beside the bundles."""
    data_dir = build.data_dir(settings)
    swept = sweep.sweep((each for each in (data_dir / "bundles" / project, data_dir / "logs", *places) if each.exists()), mention)
    return swept, sweep.drop_copies(data_dir, project), sweep.left(data_dir, project, mention)


def _keys(store: Store, project: str, removed: Removed) -> list[str]:
    """Cache keys of the removed crops, for every embedder that a head of the project was trained with."""
    kept = [store.get(project, entry.id) for entry in store.history(project)]
    digests = {each.embedder_digest for each in kept} | {each.own.began_as for each in kept if each.own}
    keys = []
    for row in removed.rows:
        image = image_key(row["image"], row["frame"], row.get("decoding", ""))
        keys += [embedding_key(image, Box(*row["box"]), CropPolicy(**row["policy"]), digest) for digest in digests]
    return keys


def _cached(settings: Settings, keys: list[str]) -> Embeddings:
    """(N, D) what the cache has under these keys."""
    return heads.stacked([each[None] for each in build.cache(settings).get_embeddings(keys).values()])
