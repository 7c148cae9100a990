"""The nano embedder's training: the same batches whoever makes them, and a good start."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from transformers import Dinov2Model

from recipes.nano import crops
from recipes.nano.crops import SIDE, SMALL_SIDE, Crops, Plan, made_ahead
from recipes.nano.train_embedder import Run, build_embedder, export_embedder, waves
from recipes.nano.twins import EASY
from tests.doubles.little_art import drawings

SIZE = 4


@pytest.fixture(autouse=True)
def little_art(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "load_sprites", lambda vendors: drawings("disc", "bar"))


def test_another_process_makes_the_same_batches() -> None:
    """Also where OpenCV's own threads have run before."""
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 5)
    made = Crops(seed=5, size=SIZE, plan=Plan(0, 0, small_until=4))
    for number, (pixels, labels) in zip(range(3, 6), made_ahead(made, 3, 6), strict=True):
        again, same = made.batch(number)
        assert torch.equal(pixels, again) and torch.equal(labels, same)
        side = SMALL_SIDE if number < 4 else SIDE
        assert pixels.shape == (SIZE, side, side, 3)


def kind_of(design: str) -> str:
    """How a twin was made; nothing for an original."""
    return design.partition("+")[2]


def test_hard_twins_come_later() -> None:
    made = Crops(seed=5, size=24, plan=Plan(0, easy_until=2, small_until=9))
    shown = [{kind_of(made.identities[i].design) for i in made.batch(number)[1].tolist()} for number in range(4)]
    assert shown[0] | shown[1] <= {"", *EASY}
    assert {"part", "shaded"} <= shown[2] | shown[3]


def test_a_twin_begins_where_its_original_is() -> None:
    made = Crops(seed=5, size=SIZE)
    run = Run(len(made.identities))
    before = run.centres.detach().clone()
    run.meet_twins(made)
    for number, identity in enumerate(made.identities):
        kind, original = kind_of(identity.design), identity.design.partition("+")[0]
        source = number if kind in ("", *EASY) else made.number[identity.noun, original]
        assert torch.equal(run.centres[:, number], before[:, source])


def test_neighbouring_places_begin_alike_and_no_two_the_same() -> None:
    side, width = 8, 128
    places = torch.nn.functional.normalize(waves(side, width), dim=1)
    likeness = places @ places.T - 2 * torch.eye(side * side)
    nearest = likeness.argmax(1)
    rows, columns = torch.arange(side * side) // side, torch.arange(side * side) % side
    steps = (rows - rows[nearest]).abs() + (columns - columns[nearest]).abs()
    assert steps.max() == 1
    assert likeness.max() < 0.999


def test_what_is_exported_embeds_as_what_was_trained(tmp_path: Path) -> None:
    """Trained with plain attention, shipped as the stock class, which picks its own."""
    torch.manual_seed(0)
    model = build_embedder().eval()
    export_embedder(model.state_dict(), tmp_path)
    stock = Dinov2Model.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert model.config._attn_implementation == "eager" != stock.config._attn_implementation
    pixels = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        ours, theirs = model(pixels).pooler_output, stock(pixels).pooler_output
    assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.999
