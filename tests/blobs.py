"""Seeded identities on the sphere, as an export of crops whose embeddings are cached: training without pictures or weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dinolabel.training.train import TrainingOptions, TrainingResult, train
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.storage.cache import Cache, embedding_key
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings, Named

POLICY = CropPolicy()
DIM = 64
NOW, LATER = "2026-11-22T13:00:00+00:00", "2026-11-22T14:00:00+00:00"
NAMES = ("jason", "lacy")


class KnownOnly:
    """An embedder that must not be asked: everything is cached."""

    name = "blobs"
    dim = DIM

    def __init__(self, digest: str = "b10b5") -> None:
        self.digest = digest

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        raise AssertionError(f"asked to embed {len(crops)} crops")


@dataclass
class World:
    """picture: how much crops of different pictures of one identity differ; view: two boxes of one object. Both of unit directions."""

    seed: int = 0
    picture: float = 0.6
    view: float = 0.1
    likeness: float = 0.5  # how much identities share: they are all of one kind
    rows: list[dict[str, Any]] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.kind = unit(self.rng.normal(size=DIM))
        self.centres: dict[str, np.ndarray] = {}

    def centre(self, identity: str) -> np.ndarray:
        if identity not in self.centres:
            # from the identity's own name, so that worlds which add objects in another order agree
            own = np.random.default_rng(int(hashlib.sha256(f"{self.seed} {identity}".encode()).hexdigest()[:8], 16))
            self.centres[identity] = unit(self.likeness * self.kind + (1 - self.likeness) * unit(own.normal(size=DIM)))
        return self.centres[identity]

    def vector(self, identity: str) -> np.ndarray:
        return unit(self.centre(identity) + self.picture * unit(self.rng.normal(size=DIM)))

    def add(self, identity: str, *, image: int, kind: str = "named", label: str | None = None, views: int = 2, side: float = 60.0) -> None:
        """One object of an identity in picture number `image`."""
        at = len(self.rows)
        base = self.vector(identity)
        sha = hashlib.sha256(f"picture {image}".encode()).hexdigest()
        for view in ("person", "detector")[:views]:
            offset = 10.0 if view == "person" else 12.0
            box = (offset + at, offset, offset + at + side, offset + side)
            row = {"format": 1, "crop": f"crops/{at}-{view}.png", "task": image, "annotation": image, "region": f"r{at}", "box": box}
            row |= {"image": sha, "frame": None, "width": 2000, "height": 500, "verdict": "approved", "kind": kind, "who": "1"}
            row |= {"label": (label or identity) if kind == "named" else label, "group": sha, "view": view, "model_version": "v"}
            row |= {"at": f"2026-11-22T12:00:{at % 60:02d}Z", "policy": asdict(POLICY)}
            self.rows.append(row)
            self.vectors.append(unit(base + self.view * unit(self.rng.normal(size=DIM))))

    def crowd(self, names: Sequence[str], *, images: int, start: int = 0) -> World:
        """Every name once in each of so many pictures."""
        for image in range(start, start + images):
            for name in names:
                self.add(name, image=image)
        return self

    def write(self, folder: Path, cache: Cache, *, digest: str = "b10b5", wanted: Sequence[str] = ()) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        (folder / "report.json").write_text(json.dumps({"approved": dict.fromkeys(wanted, 0)}), encoding="utf-8")
        keys = [embedding_key(row["image"], Box(*row["box"]), POLICY, digest) for row in self.rows]
        cache.put_embeddings({key: vector.astype(np.float32) for key, vector in zip(keys, self.vectors, strict=True)})
        return folder


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


class Bench:
    """One project's store and cache in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.cache = folder, BundleStore(folder / "bundles"), Cache(folder / "cache.sqlite", max_mb=100)
        self.exports = 0

    def train(self, world: World, *, now: str = NOW, digest: str = "b10b5", **options: Any) -> TrainingResult:
        self.exports += 1
        manifest = world.write(self.folder / f"export{self.exports}", self.cache, digest=digest, wanted=options.pop("wanted", ()))
        given = {name: options.pop(name) for name in ("embedder", "listener") if name in options}
        asked = TrainingOptions(**{"project": "1", "now": now} | options)
        return train(manifest, asked, **{"embedder": KnownOnly(digest), "store": self.store, "cache": self.cache} | given)

    def bundle(self, verdict: TrainingResult) -> Bundle:
        assert verdict.bundle_id is not None
        return self.store.get("1", verdict.bundle_id)


def receipt(verdict: TrainingResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(verdict.receipt.read_text())
    return found


def share_named(bundle: Bundle, world: World, identity: str, *, count: int = 200) -> tuple[float, float]:
    """Shares of fresh crops of an identity that get its own name, and that get any."""
    vectors = np.stack([world.vector(identity) for _ in range(count)]).astype(np.float32)
    answers = bundle.answer(vectors, [Box(0, 0, 60, 60)] * count)
    given = [each.label if isinstance(each, Named) else None for each in answers]
    return sum(each == identity for each in given) / count, sum(each is not None for each in given) / count
