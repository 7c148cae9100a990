"""Why an answer is what it is: the approved crops most like it, and their pictures in an export of crops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from dinolabel.vision.images.crop_id import CropId, object_of
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Embeddings, Reference

MANIFEST = "manifest.jsonl"
MOST = 3  # crops named as the reason of an answer


def most_alike(
    asked: Embeddings, labels: Sequence[str | None], references: Embeddings, reference_labels: Sequence[str], ids: Sequence[str]
) -> list[tuple[Reference, ...]]:
    """For each row the references of its label that are most like it, nearest first; a person's box and the detector's for one object
    are one reason. asked: (N, D), references: (M, D), unit rows. labels: N, reference_labels, ids: M."""
    distances = 1.0 - asked.astype(np.float64) @ references.T.astype(np.float64)
    own = np.array(reference_labels)
    because = []
    for row, label in zip(distances, labels, strict=True):
        at = np.flatnonzero(own == label)
        nearest = at[np.argsort(row[at], kind="stable")]
        objects = {object_of(ids[each]): each for each in reversed(nearest)}
        chosen = sorted(objects.values(), key=lambda each: float(row[each]))[:MOST]
        because.append(tuple(Reference(ids[each], str(own[each]), round(float(row[each]), 4)) for each in chosen))
    return because


def crop_files(export: Path, ids: Iterable[str]) -> dict[str, Path]:
    """Id -> picture, for those that the export still has. ids: `Reference.id`. export: folder of `dinolabel export crops`, if any."""
    manifest = export / MANIFEST
    try:
        files = _files(manifest, manifest.stat().st_mtime_ns)
    except OSError:
        return {}
    return {each: files[each] for each in ids if each in files and files[each].is_file()}


@lru_cache(maxsize=8)
def _files(manifest: Path, modified: int) -> Mapping[str, Path]:
    """Id of a row -> its crop's file, of those that lie inside the export. modified: so that a new export is read anew."""
    home = manifest.parent.resolve()
    found: dict[str, Path] = {}
    # An export that is being made again may end in half a line: the answer stands without the pictures of the rest.
    with manifest.open(encoding="utf-8") as lines, suppress(ValueError, KeyError, TypeError):
        for line in lines:
            row = parse_json(line)
            path = (home / row["crop"]).resolve()
            if path.is_relative_to(home):
                found[str(CropId(*(row[key] for key in ("task", "annotation", "region", "view"))))] = path
    return found
