"""An exported model of faces: the three files that are read travel with it, and it answers by them alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel import Pipeline
from dinolabel.models.export import _with_embedder_of_head
from dinolabel.settings import Settings
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.types import Thresholds
from tests import faces
from tests.unit.training import test_faces_trained as trained

pytestmark = faces.needed


class Recipe:
    """As much of a ServingConfig as the export asks for its embedder."""

    def __init__(self, bundle: object) -> None:
        self.bundle = bundle


def test_it_answers_where_the_package_of_weights_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinolabel.training.train import TrainingOptions, train
    from dinolabel.vision import plugins
    from dinolabel.vision.bundles.registry import BundleStore

    crops = trained.export(tmp_path / "crops", plugins.crop_policy(faces.PLUG))
    embedder, store = plugins.load_embedder(faces.PLUG, faces.PLUG), BundleStore(tmp_path / "bundles")
    made = train(crops, TrainingOptions("1", trained.NOW, force=True), embedder=embedder, store=store, cache=None)
    head = store.get("1", str(made.bundle_id))
    chosen = _with_embedder_of_head(Settings(data_dir=tmp_path), Recipe(head))  # type: ignore[arg-type]
    assert (chosen.embedder, chosen.embedder_weights) == ("faces", "faces")
    folder = dlib_models.find_folder()
    package = ExportedModel({"human face": "face"}, Thresholds(), {each: each for each in head.labels}, "faces", "faces")
    out = save(tmp_path / "model", package, detector=folder, embedder=folder, bundle=head, readme="")
    held = {each.name for kind in ("detector", "embedder") for each in (out / kind).iterdir()}
    assert held == set(dlib_models.DIGESTS)
    monkeypatch.setattr(dlib_models, "PACKAGE", "not_installed_anywhere")
    assert dlib_models.find_folder() is None
    (found,) = Pipeline.load(str(out))(faces.PORTRAIT)
    assert found.phrase == "human face" and found.box.iou(faces.FACE) > 0.7
