"""The nano models' training: what a stop, a second call and the CPU change about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from recipes.nano import batches, crops, train_backbone, train_detector, train_embedder, training
from tests.doubles.little_art import drawings

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


@pytest.mark.slow
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


@pytest.mark.parametrize("capable", [True, False])
@pytest.mark.parametrize("name", TRAINERS)
def test_layers_compute_in_bfloat16_only_on_a_cpu_that_has_it(
    name: str, capable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable})
    seen: set[torch.dtype] = set()

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d) and isinstance(output, torch.Tensor):
            seen.add(output.dtype)

    train, options = TRAINERS[name]
    with register_module_forward_hook(note):
        train(total=1, path=tmp_path / "run.pt", **options)
    assert (torch.bfloat16 in seen) == capable
    assert seen


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["--until", "7"], {"total": 9, "until": 7, "first": None, "seed": 3}),
        (["--first", "a", "--seed", "4"], {"total": 9, "until": None, "first": Path("a"), "seed": 4}),
        (["--export", "out"], Path("out")),
    ],
)
def test_a_command_line_trains_or_exports(typed: list[str], expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(sys, "argv", ["train", *typed])
    training.main("", lambda **options: asked.append(options), total=9, seed=3, export=asked.append)
    assert asked == [expected]
