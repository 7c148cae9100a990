"""Training on real faces: a head that knows its embedder, and a receipt that counts faces not seen again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest

from dinolabel.training.data.manifest import chosen_embedder
from dinolabel.training.errors import ManifestUnreadable
from dinolabel.training.train import TrainingOptions, train
from dinolabel.vision import plugins
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, CropPolicy, Image
from tests import faces
from tests.doubles.scripted_models import ColourEmbedder, ScriptedDetector

pytestmark = faces.needed
COLLINS = Path(__file__).resolve().parents[3] / "docs" / "images" / "faces.jpg"  # its left half, 360 pixels, has nothing drawn on it
PEOPLE = {
    "grace": (faces.photo(256), faces.face(256)),
    "eileen": (PIL.Image.open(COLLINS).convert("RGB").crop((0, 0, 360, 360)), Box(122, 42, 191, 127)),
}
NOW = "2026-01-01T00:00:00+00:00"


def seen(person: str, number: int) -> tuple[Image, Box]:
    """The portrait in another light."""
    picture, box = PEOPLE[person]
    return Image.from_array(np.asarray(PIL.ImageEnhance.Brightness(picture).enhance(0.7 + 0.15 * number))), box


def export(folder: Path, policy: CropPolicy, blank: int = 0) -> Path:
    """Four crops of each, as `dinolabel export crops` writes them. blank: of the first, how many show a wall."""
    lines = []
    for person in PEOPLE:
        for number in range(4):
            image, box = seen(person, number)
            pixels = cut(image.pixels, box, policy).pixels
            if person == "grace" and number < blank:
                pixels = np.full_like(pixels, 90)
            name = f"{person}-{number}"
            (folder / "crops").mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(folder / "crops" / f"{name}.png")
            lines.append({
                "format": 1, "crop": f"crops/{name}.png", "task": len(lines), "annotation": 1, "region": name, "box": box.xyxy,
                "image": hashlib.sha256(name.encode()).hexdigest(), "frame": None, "verdict": "approved", "kind": "named", "label": person,
                "group": name, "view": "person", "at": NOW, "policy": asdict(policy),
            })  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    (folder / "report.json").write_text(json.dumps({"embedder": "faces"}))
    return folder


def test_a_head_of_faces_is_served_beside_another_embedder(tmp_path: Path) -> None:
    store, policy = BundleStore(tmp_path / "bundles"), plugins.crop_policy(faces.PLUG)
    folder = export(tmp_path / "crops", policy)
    assert chosen_embedder(folder) == "faces" and chosen_embedder(tmp_path) == ""
    embedder = plugins.load_embedder(faces.PLUG, faces.PLUG)
    made = train(folder, TrainingOptions("1", NOW, force=True), embedder=embedder, store=store, cache=None)
    assert json.loads(made.receipt.read_text())["data"]["not_seen_again"] == 0
    head = store.get("1", str(made.bundle_id))
    assert (head.embedder_plug, head.policy) == ("faces", policy)
    pipeline = Pipeline(ScriptedDetector(), ColourEmbedder())
    pipeline.check(head)
    for person in PEOPLE:
        image, box = seen(person, 5)
        (ranked,) = head.rank(pipeline.embed(image, [box], head))
        assert ranked[0][0] == person


def test_a_receipt_counts_faces_that_were_not_seen_again(tmp_path: Path) -> None:
    folder = export(tmp_path / "crops", plugins.crop_policy(faces.PLUG), blank=2)
    embedder, store = plugins.load_embedder(faces.PLUG, faces.PLUG), BundleStore(tmp_path / "bundles")
    made = train(folder, TrainingOptions("1", NOW), embedder=embedder, store=store, cache=None)
    assert json.loads(made.receipt.read_text())["data"]["not_seen_again"] == 2


def test_crops_that_were_cut_for_another_embedder_are_refused(tmp_path: Path) -> None:
    """Their head could not be served."""
    folder = export(tmp_path / "crops", CropPolicy())
    with pytest.raises(ManifestUnreadable, match=r"cut for another embedder than 'faces', with a margin of 0.2") as told:
        train(folder, TrainingOptions("1", NOW), embedder=plugins.load_embedder(faces.PLUG, faces.PLUG), store=BundleStore(tmp_path / "b"),
              cache=None)  # fmt: skip
    assert "export crops" in told.value.hint
