"""An exported folder, with the real nano pair: it loads anywhere and answers as what it was made of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dinolabel import Pipeline
from dinolabel.detect.model import TypedOptions, choose_model
from dinolabel.vision.bundles import exported_model
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.exported_model import ExportedModel, save
from dinolabel.vision.decoding.pictures import from_pillow
from dinolabel.vision.errors import BundleMismatch, ModelError, PromptMissing
from dinolabel.vision.heads import prototype
from dinolabel.vision.images.colours import GENERIC_COLOUR, NAME_COLOURS
from dinolabel.vision.loading.weights import NANO_FOLDER
from dinolabel.vision.proposals.labelled_box import LabelledBox, without_suppressed
from dinolabel.vision.types import Box, CropPolicy, Image, Thresholds
from tests.contract.test_nano_models import scenes as pictures

SIZE = (448, 448)
COLOURS = {"felix the cat": "#123456"}
LABELS = {"cat face": "cat", "kitty": "cat"}


def scenes(count: int) -> list[tuple[Image, list[Box]]]:
    """Pictures of the demo with their cat faces."""
    return [(from_pillow(picture), [Box(*box) for box in boxes]) for picture, boxes in pictures(count, with_noun=True, size=SIZE)]


@pytest.fixture(scope="module")
def live() -> Pipeline:
    return Pipeline.load("nano", device="cpu")


@pytest.fixture(scope="module")
def head(live: Pipeline) -> Bundle:
    """Knows one thing by a crop of a picture, accepts anything: its answers are checked against the live pipeline's, not by eye."""
    image, boxes = scenes(1)[0]
    row = live.embed(image, boxes[:1])
    other = -row
    built = prototype.build().fit(np.concatenate([row, other]), ["felix", "tom"])
    assert live.embedder is not None
    return Bundle(
        labels=built.labels, head_name="prototype", arrays=built.arrays(), temperature=1.0, accept_threshold=0.0, distance_threshold=2.0,
        references=np.concatenate([row, other]), reference_labels=("felix", "tom"), reference_ids=("1", "2"),
        embedder_name=live.embedder.name, embedder_digest=live.embedder.digest, policy=CropPolicy(), created_at="2026-11-22T12:00:00Z",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, head: Bundle) -> Path:
    made = save(
        tmp_path_factory.mktemp("here") / "model",
        ExportedModel(LABELS, Thresholds(0.25, 0.2, 0.6), {"felix": "felix the cat"}, version="gdino-nano.abc", colours=COLOURS),
        detector=NANO_FOLDER / "detector", embedder=NANO_FOLDER / "embedder", bundle=head, readme="Hello\n",
    )  # fmt: skip
    return made.rename(tmp_path_factory.mktemp("there") / "moved")


def read(found: LabelledBox) -> tuple[object, ...]:
    """All of it; numbers to four digits, because two loads of one model differ in the seventh."""
    confidence = None if found.confidence is None else round(found.confidence, 4)
    return found.label, found.phrase, round(found.score, 4), confidence, found.guess, found.box


def test_answers_as_what_it_was_made_of(folder: Path, live: Pipeline, head: Bundle) -> None:
    packed = Pipeline.load(str(folder), device="cpu")
    images: list[Image] = [image for image, _ in scenes(3)]
    ours = packed(images)
    answered = live.predict(images, "cat face . kitty", head, Thresholds(0.25, 0.2, 0.6), labels=LABELS)
    theirs = [[LabelledBox.of(each, LABELS, {"felix": "felix the cat"}) for each in without_suppressed(found)] for found in answered]
    assert [list(map(read, found)) for found in ours] == [list(map(read, found)) for found in theirs] and any(ours)
    assert {each.label for found in ours for each in found} <= {"felix the cat", "cat"}
    assert list(map(read, packed(images[0].pixels))) == list(map(read, ours[0]))


def test_the_colours_of_the_project_go_along(folder: Path) -> None:
    colours = choose_model(TypedOptions(model=folder)).colours
    assert colours == {"felix the cat": "#123456", "cat": GENERIC_COLOUR, "tom": NAME_COLOURS[0]}


def test_holds_nothing_that_runs_and_no_path_of_this_machine(folder: Path) -> None:
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert {each.suffix for each in files} <= {".json", ".safetensors", ".txt", ".md"}
    assert not [each for each in files if each.suffix != ".safetensors" and str(NANO_FOLDER.parents[1]) in each.read_text(encoding="utf-8")]


def test_a_later_format_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    card = json.loads((copy / exported_model.CARD).read_text())
    (copy / exported_model.CARD).write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        Pipeline.load(str(copy), device="cpu")


def test_a_damaged_card_is_said(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / exported_model.CARD).write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        Pipeline.load(str(copy), device="cpu")


def test_parts_of_two_trainings_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    settings = json.loads((copy / "embedder" / "config.json").read_text())
    (copy / "embedder" / "config.json").write_text(json.dumps(settings | {"layer_norm_eps": 1e-3}))
    with pytest.raises(BundleMismatch):
        Pipeline.load(str(copy), device="cpu")


def test_what_is_there_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(ModelError, match="is there already"):
        save(folder, ExportedModel(LABELS, Thresholds()), detector=NANO_FOLDER / "detector", embedder=None, bundle=None, readme="")


def test_without_a_prompt_only_a_package_knows_what_to_look_for(live: Pipeline) -> None:
    with pytest.raises(PromptMissing):
        live(np.zeros((64, 64, 3), np.uint8))
