"""The nano detector's loss: the right targets, gradients where transformers' own loss has none, and a run that resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.nano import batches as made
from recipes.nano import train_detector
from recipes.nano.architecture import build_detector
from recipes.nano.batches import Batch, Batches, empty_batch
from recipes.nano.forward import token_shapes, total_loss
from recipes.nano.losses import assign_dense, assign_queries, detection_loss, iou_matrix, paired_giou
from recipes.nano.vocabulary import load_nouns

NOUNS = load_nouns()


def small_batch() -> Batch:
    """Two 64 x 64 images: one object asked for in the first, one not asked for in the second."""
    batch = empty_batch(2, 8, 2)
    batch.pixels = torch.randint(0, 255, (2, 128, 128, 3), dtype=torch.uint8)
    batch.input_ids[:] = torch.tensor([101, 1100, 1101, 1012, 1102, 1012, 102, 0])
    batch.text_mask[:, :7] = True
    batch.spans[:, 0, 1:3], batch.spans[:, 1, 4:5] = True, True
    batch.boxes[:, 0] = torch.tensor([0.5, 0.5, 0.4, 0.3])
    batch.there[:, 0] = True
    batch.phrase[0, 0] = 1
    batch.noun[:, 0] = 7
    return batch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_dense_targets_are_at_the_centre() -> None:
    given = assign_dense(token_shapes(256, 256), small_batch())
    places = (given.target[0] >= 0).nonzero().flatten()
    assert len(places)
    assert not (given.ignored & (given.target >= 0)).any()


def test_every_object_has_a_token_however_small() -> None:
    batch = small_batch()
    batch.boxes[0, 0] = torch.tensor([0.03, 0.97, 0.02, 0.02])
    assert (assign_dense(token_shapes(192, 192), batch).target[0] == 0).any()


def test_queries_one_to_one_takes_the_best_ranked() -> None:
    batch = small_batch()
    reference = batch.boxes[:, :1].repeat(1, 4, 1)
    reference[:, 0, :2] = 0.1
    chosen = assign_queries(reference, batch, one_to_one=True).target
    assert chosen[0].tolist() == [-1, 0, -1, -1]
    assert (chosen[1] == -1).all(), "an object that the prompt does not ask for is nobody's target"
    assert assign_queries(reference, batch, one_to_one=False).target[0].tolist() == [-1, 0, 0, 0]


def test_a_perfect_answer_costs_almost_nothing() -> None:
    batch = small_batch()
    boxes = batch.boxes[:, :1].repeat(1, 3, 1)
    boxes[:, 1:] = torch.tensor([0.1, 0.1, 0.05, 0.05])
    given = assign_queries(boxes, batch, one_to_one=True)
    logits = torch.full((2, 3, 8), -12.0)
    logits[0, 0, 4] = 12.0
    losses = detection_loss(logits, boxes, given, batch)
    assert all(float(v) < 1e-3 for v in losses.values())
    wrong = logits.clone()
    wrong[0, 0, 4], wrong[0, 0, 1:3] = -12.0, 12.0
    assert float(detection_loss(wrong, boxes, given, batch)["phrase"]) > 5


def test_overlaps() -> None:
    box, half = torch.tensor([[0.5, 0.5, 0.4, 0.4]]), torch.tensor([[0.5, 0.4, 0.4, 0.2]])
    assert float(iou_matrix(box[None], half[None])) == pytest.approx(0.5)
    assert float(paired_giou(box, box)) == pytest.approx(1.0)
    assert float(paired_giou(box, torch.tensor([[0.1, 0.1, 0.05, 0.05]]))) < 0


def test_gradients_reach_what_the_stock_loss_leaves_alone() -> None:
    torch.manual_seed(0)
    model = build_detector().train()
    width = model.config.d_model
    throwaway = torch.nn.ModuleDict({"closed": torch.nn.Linear(width, len(NOUNS)), "backbone": torch.nn.Linear(width, len(NOUNS) + 1)})
    loss, parts = total_loss(model, throwaway, small_batch())
    loss.backward()
    assert np.isfinite(list(parts.values())).all()
    named = dict(model.named_parameters())
    for piece in ("model.enc_output.weight", "model.enc_output_norm.weight", "model.encoder_output_bbox_embed.layers.2.weight",
                  "model.backbone.conv_encoder.model.embedder.embedder.convolution.weight"):  # fmt: skip
        assert named[piece].grad is not None, piece
        assert named[piece].grad.abs().sum() > 0, piece


def test_resumed_is_the_same_as_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disc = np.dstack([np.full((48, 48, 3), 200, np.uint8), np.full((48, 48), 255, np.uint8)])
    monkeypatch.setattr(made, "load_sprites", lambda: {("key", "a"): disc, ("lion", "a"): disc})
    monkeypatch.setattr(made, "SMALL", {(96, 128): 1.0})
    settings = {"total": 40, "size": 2, "backbone": tmp_path / "none"}
    straight = train_detector.train(until=3, path=tmp_path / "a.pt", **settings)
    train_detector.train(until=2, path=tmp_path / "b.pt", **settings)
    resumed = train_detector.train(until=3, path=tmp_path / "b.pt", **settings)
    assert resumed.iteration == straight.iteration == 3
    for name, value in straight.average.items():
        assert torch.allclose(value, resumed.average[name], atol=1e-6), name


def test_batches_repeat_and_differ_by_process(monkeypatch: pytest.MonkeyPatch) -> None:
    disc = np.dstack([np.full((48, 48, 3), 200, np.uint8), np.full((48, 48), 255, np.uint8)])
    monkeypatch.setattr(made, "load_sprites", lambda: {("key", "a"): disc, ("lion", "a"): disc})
    batches = Batches(seed=1, total=10, size=2)
    assert torch.equal(batches.part(3, 0).pixels, batches.part(3, 0).pixels)
    assert not torch.equal(batches.part(3, 0).pixels, batches.part(3, 1).pixels)
    assert batches.part(3, 0).pixels.shape == batches.part(3, 1).pixels.shape
