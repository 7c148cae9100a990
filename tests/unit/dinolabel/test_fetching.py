"""`dinolabel weights fetch` against a little hub on a real socket, in a process of its own: the hub's address is read at import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.little_hub import COMMIT, Hub, serving

FILES = {
    "config.json": b'{"model_type": "dinov2"}',
    "model.safetensors": bytes(range(256)) * 4000,
    "README.md": b"a card",
    "pytorch_model.bin": b"a pickle, which is never fetched",
    "onnx/model.onnx": b"nor this",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub("lab/small", dict(FILES))) as running:
        yield running


def fetch(hub: Hub, to: Path, *more: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "DINOLABEL_"))}
    environment = {**given, "HF_ENDPOINT": hub.url, "HF_HOME": str(to.parent / "home"), "HF_HUB_DISABLE_XET": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "dinolabel", "weights", "fetch", "lab/small", "--to", str(to), *more]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_says_what_comes_then_brings_it(hub: Hub, tmp_path: Path) -> None:
    refused = fetch(hub, tmp_path / "weights")
    assert refused.returncode != 0 and "--yes" in refused.stderr and not (tmp_path / "weights").exists()
    for shown in (COMMIT, "apache-2.0", "1 MB", "lab/small"):
        assert shown in refused.stderr
    done = fetch(hub, tmp_path / "weights", "--yes")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "weights" / "lab--small"
    here = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts}
    assert here == {"config.json", "model.safetensors", "README.md"}
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "weights" / "lab--small").mkdir(parents=True)
    hub.cut["model.safetensors"] = 600_000
    done = fetch(hub, tmp_path / "weights", "--yes")
    if done.returncode:
        assert "goes on where it stopped" in done.stderr
        done = fetch(hub, tmp_path / "weights", "--yes")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "weights" / "lab--small" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_what_is_not_what_the_hub_says_is_removed(hub: Hub, tmp_path: Path) -> None:
    hub.lies["model.safetensors"] = FILES["model.safetensors"][:-1] + b"!"
    done = fetch(hub, tmp_path / "weights", "--yes")
    assert done.returncode != 0 and "not what the hub says" in done.stderr
    assert not (tmp_path / "weights" / "lab--small" / "model.safetensors").exists()


def test_a_gate_and_a_licence_of_their_own_are_said(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    done = fetch(hub, tmp_path / "weights", "--yes")
    assert "lab-license, https://lab.example/licence" in done.stderr and "ask for access on the page of lab/small" in done.stderr
    assert done.returncode == 4 and "its makers want to be asked" in done.stderr and "HF_TOKEN" in done.stderr, done.stderr


def test_a_hub_out_of_reach_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = fetch(Hub("lab/small", {}, url="http://127.0.0.1:9"), tmp_path / "weights", "--yes")
    assert done.returncode != 0 and "no answer about lab/small" in done.stderr and "Traceback" not in done.stderr
