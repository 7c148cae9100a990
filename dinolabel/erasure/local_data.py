"""Takes somebody out of what we keep ourselves: heads, exports, embeddings, and whatever file still holds the name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinolabel import factory
from dinolabel.erasure import heads, sweep
from dinolabel.erasure.exports import survey
from dinolabel.erasure.exports.shares import ExportShare
from dinolabel.erasure.text_search import Mention
from dinolabel.settings import Settings
from dinolabel.vision import plugins
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import ModelError
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.storage.cache import embedding_key
from dinolabel.vision.types import Box, CropPolicy, Embeddings, image_key


@dataclass(frozen=True)
class ErasureResult:
    """heads: ids of those that are gone. serving: the id of the one that is left, or None. shares: what exports had of them.

    embeddings: how many the cache lost.
    """

    heads: list[str]
    serving: str | None
    shares: list[ExportShare]
    embeddings: int

    def rows_of_summary(self) -> dict[str, str]:
        now = f"; now serving: {self.serving or 'none, boxes only'}" if self.heads else ""
        touched = [f"{each.folder} {each.sentence()}" for each in self.shares if each.is_touched]
        return {
            "heads": f"{', '.join(self.heads) or 'none'}{now}",
            "crops": f"{len(self.rows)} removed",
            **({"exports": "; ".join(touched)} if touched else {}),
            "embeddings": f"{self.embeddings} removed from the cache",
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for each in self.shares for row in each.rows]

    @property
    def kept(self) -> list[str]:
        """What may still show the person: files that we cannot call ours any more."""
        return [f"{each.folder / path}: {why}; it may still show them" for each in self.shares for path, why in each.kept]


def take_out(settings: Settings, project: str, mention: Mention, folders: list[Path]) -> ErasureResult:
    """Heads that learnt them, their crops in `folders`, and their embeddings, near copies too."""
    store = factory.store(settings)
    theirs, distance = heads.vectors(store, project, mention)
    shares = survey.survey(folders, mention)
    for each in shares:
        survey.take_out(each, mention)
    rows = [row for each in shares for row in each.rows]
    objects = {known for each in shares for known in each.objects}
    keys = _keys(store, project, rows)
    exact = _cached(settings, keys)
    gone = heads.holding(store, project, mention, objects, heads.stack([theirs, exact]))
    store.forget(project, gone)
    embeddings = factory.cache(settings).forget(keys, exact if len(exact) else theirs, distance=distance)
    return ErasureResult(gone, store.desired(project), shares, embeddings)


def sweep_out(settings: Settings, project: str, mention: Mention, logs: Iterable[Path], folders: list[Path]) -> tuple[int, int, list[Path]]:
    """Files changed or removed, copies of pictures removed, and files that hold the name all the same, those in `folders` too."""
    data_dir = factory.data_dir(settings)
    texts = [*logs, *sorted((data_dir / "logs").glob("*.log")), *(data_dir / "wall" / project).glob("*.jsonl")]
    swept = sweep.sweep(data_dir / "bundles" / project, texts, mention)
    copies = sweep.drop_copies(data_dir, project)
    outside = [each for each in folders if not each.is_relative_to(data_dir)]
    return swept, copies, [*sweep.left(data_dir, project, mention), *survey.holding_files(outside, mention)]


def _keys(store: BundleStore, project: str, rows: list[dict[str, Any]]) -> list[str]:
    """Cache keys of the removed crops, for every embedder that a head of the project was trained with, and for that of faces: descriptors
    are kept from the first boxes on, before there is a head."""
    kept = [store.get(project, entry.id) for entry in store.history(project)]
    digests = {each.embedder_digest for each in kept} | {each.own.began_as for each in kept if each.own} | _face_digests()
    keys = []
    for row in rows:
        image = image_key(row["image"], row["frame"], row.get("decoding", ""))
        keys += [embedding_key(image, Box(*row["box"]), CropPolicy(**row["policy"]), digest) for digest in digests]
    return keys


def _face_digests() -> set[str]:
    try:
        return {plugins.load_embedder(dlib_models.FACES, dlib_models.FACES).digest}
    except ModelError:
        return set()  # without the extra nobody has made any here


def _cached(settings: Settings, keys: list[str]) -> Embeddings:
    """(N, D) what the cache has under these keys."""
    return heads.stack([each[None] for each in factory.cache(settings).get_embeddings(keys).values()])
