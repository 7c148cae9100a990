"""What several commands' tests have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import tiny_detector, tiny_embedder
from tests.unit.studio.conftest import host as host
from tests.unit.studio.conftest import hosts as hosts


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `detector` and `embedder`, of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    tiny_detector(folder / "detector")
    tiny_embedder(folder / "embedder")
    return folder


@pytest.fixture
def tiny_settings(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in an empty folder, with the tiny weights, on the CPU and without the hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DINOLABEL_DETECTOR_WEIGHTS", str(tiny_weights / "detector"))
    monkeypatch.setenv("DINOLABEL_EMBEDDER_WEIGHTS", str(tiny_weights / "embedder"))
    monkeypatch.setenv("DINOLABEL_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
