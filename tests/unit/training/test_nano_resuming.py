"""The nano models' training: stopped and started again, it goes on as if it had not been stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.doubles.little_art import drawings
from training.nano import batches, crops, train_backbone, train_detector, train_embedder

TRAINERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "backbone": (train_backbone.train, {"size": 2}),
    "detector": (train_detector.train, {"size": 2}),
    "embedder": (train_embedder.train, {"size": 4}),
}


@pytest.fixture(autouse=True)
def little_art(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And no backbone of an earlier run on this machine."""
    for module in (batches, crops):
        monkeypatch.setattr(module, "load_sprites", lambda *vendors: drawings("dice", "bell", "bomb", "key"))
    monkeypatch.setitem(train_detector.train.__kwdefaults__, "backbone", tmp_path / "none.pt")
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    train, options = TRAINERS[name]
    whole = train(total=4, path=tmp_path / "whole.pt", **options)
    assert train(total=4, until=2, path=tmp_path / "parts.pt", **options).iteration == 2
    parts = train(total=4, path=tmp_path / "parts.pt", **options)
    assert parts.iteration == whole.iteration == 4
    for key, value in whole.model.state_dict().items():
        assert torch.allclose(parts.model.state_dict()[key].float(), value.float(), atol=1e-5), key


@pytest.mark.parametrize("name", TRAINERS)
def test_a_finished_run_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    train, options = TRAINERS[name]
    first = train(total=1, path=tmp_path / "run.pt", **options)
    again = train(total=1, path=tmp_path / "run.pt", **options)
    assert again.iteration == 1
    assert all(torch.equal(again.model.state_dict()[key], value) for key, value in first.model.state_dict().items())
