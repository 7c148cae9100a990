"""A head of five examples of each of two persons, trained as `dinolabel train` does, and asked about them and about strangers."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.faces import portraits
from benchmarks.faces.portraits import Portrait, Scene
from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.protocols import Embedder
from dinolabel.vision.types import CropPolicy, Named

NAMED = {"obama": ("obama.jpg", "obama2.jpg", "obama3.jpg"), "biden": ("biden.jpg",)}
STRANGERS = ("collins", "hopper")
EXAMPLES, ASKED, BOXES_OFF = 5, 24, 0.1
TAUGHT_SEED, ASKED_SEED = 31, 32


@dataclass(frozen=True)
class FewExamples:
    """right: share of `asked` variations of the two that got their name; kept: share of `strangers` that got none."""

    right: float
    kept: float
    asked: int
    strangers: int


def few_examples(people: list[Portrait], embedder: Embedder, policy: CropPolicy) -> FewExamples:
    by_name = {each.name: each for each in people}
    with tempfile.TemporaryDirectory(prefix="dinolabel-faces-") as folder:
        taught = [(person, scene) for person in NAMED for scene in _of([by_name[name] for name in NAMED[person]], EXAMPLES, TAUGHT_SEED)]
        _write(Path(folder) / "crops", taught, policy)
        store = BundleStore(Path(folder) / "bundles")
        options = TrainingOptions("1", "2026-01-01T00:00:00+00:00", force=True)
        made = train(Path(folder) / "crops", options, embedder=embedder, store=store, cache=None)
        head = store.get("1", str(made.bundle_id))
        theirs = [(person, scene) for person in NAMED for scene in _of([by_name[name] for name in NAMED[person]], ASKED, ASKED_SEED)]
        strange = [(each.person, scene) for each in people if each.person in STRANGERS for scene in _of([each], ASKED, ASKED_SEED)]
        right = [_answer(head, embedder, scene, policy) == person for person, scene in theirs]
        kept = [_answer(head, embedder, scene, policy) is None for _, scene in strange]
    return FewExamples(float(np.mean(right)), float(np.mean(kept)), len(right), len(kept))


def _of(known: list[Portrait], count: int, seed: int) -> Iterator[Scene]:
    """So many variations in all, of each portrait in turn."""
    for number in range(count):
        portrait = known[number % len(known)]
        yield next(portraits.variations(portrait, 1, seed=seed * 1000 + number))


def _answer(head: Bundle, embedder: Embedder, scene: Scene, policy: CropPolicy) -> str | None:
    box = scene.faces[0][1]
    (answer,) = head.answer(embedder.embed([cut(scene.pixels, box, policy)]), [box], reasons=False)
    return answer.label if isinstance(answer, Named) else None


def _write(folder: Path, taught: list[tuple[str, Scene]], policy: CropPolicy) -> None:
    """As `dinolabel export crops` does: a person's box, a little off."""
    rng = np.random.default_rng(TAUGHT_SEED)
    lines = []
    for number, (person, scene) in enumerate(taught):
        height, width = scene.pixels.shape[:2]
        box = portraits.jitter(scene.faces[0][1], BOXES_OFF, rng).clip(width, height)
        assert box is not None
        path = folder / "crops" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(cut(scene.pixels, box, policy).pixels).save(path)
        digest = hashlib.sha256(scene.pixels.tobytes()).hexdigest()
        facts = {
            "format": 1, "crop": f"crops/{number}.png", "task": number, "annotation": number, "region": "a", "box": box.xyxy,
            "image": digest, "frame": None, "verdict": "approved", "kind": "named", "label": person, "group": digest, "view": "drawn",
            "at": "2026-01-01T00:00:00+00:00", "policy": asdict(policy), "split": "train",
        }  # fmt: skip
        lines.append(json.dumps(facts))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
