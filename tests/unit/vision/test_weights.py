from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinolabel.vision.errors import ModelError, WeightsMissing
from dinolabel.vision.loading import weights
from dinolabel.vision.loading.weights import Needs


def put(folder: Path, *, files: tuple[str, ...] = ("config.json", "model.safetensors")) -> Path:
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("{}")
    return folder


def find(name: str, kind: str, models_dir: Path | None = None, needs: Needs = "folder") -> Path | None:
    return weights.obtain(weights.locate(name, kind, models_dir=models_dir, needs=needs)).path


@pytest.mark.parametrize("place", ["IDEA-Research/grounding-dino-tiny", "IDEA-Research--grounding-dino-tiny", "grounding-dino-tiny"])
def test_models_dir_holds_hub_ids(tmp_path: Path, place: str) -> None:
    put(tmp_path / place)
    assert find("IDEA-Research/grounding-dino-tiny", "detector", models_dir=tmp_path) == (tmp_path / place).resolve()


@pytest.mark.parametrize("name", ["{folder}/faces.onnx", "{folder}/sub/../faces.onnx", "faces.onnx"])
def test_a_file_where_a_file_is_needed(tmp_path: Path, name: str) -> None:
    (tmp_path / "faces.onnx").touch()
    (tmp_path / "sub").mkdir()
    assert find(name.format(folder=tmp_path), "embedder", tmp_path, "file") == (tmp_path / "faces.onnx").resolve()


@pytest.mark.parametrize(
    ("name", "needs", "said", "hint"),
    [
        ("{folder}/faces.onnx", "folder", "faces.onnx is a file; the weights of this embedder are a folder", "DINOLABEL_EMBEDDER names"),
        ("{folder}/swint.pth", "folder", "swint.pth is a file", "dinolabel weights convert swint.pth"),
        ("{folder}/mine", "file", "mine is a folder; the weights of this embedder are one file", "DINOLABEL_EMBEDDER_WEIGHTS"),
        ("nano", "file", "nano is a folder", "DINOLABEL_EMBEDDER_WEIGHTS"),
        ("org/name", "file", "There is no file org/name", "DINOLABEL_EMBEDDER_WEIGHTS"),
        ("{folder}/gone.onnx", "file", "There is no file .*gone.onnx", "DINOLABEL_EMBEDDER_WEIGHTS"),
    ],
)
def test_a_folder_for_a_file_and_a_file_for_a_folder(tmp_path: Path, name: str, needs: Needs, said: str, hint: str) -> None:
    put(tmp_path / "mine")
    for each in ("faces.onnx", "swint.pth"):
        (tmp_path / each).touch()
    with pytest.raises(WeightsMissing, match=said) as caught:
        find(name.format(folder=tmp_path), "embedder", needs=needs)
    assert hint in caught.value.hint


def test_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert find(str(folder), "detector") == find("mine", "detector") == folder.resolve()


@pytest.mark.parametrize("kind", ["detector", "embedder"])
def test_nano_is_the_pair_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    assert Path(weights.__file__).parents[2] / "nano" == weights.NANO_FOLDER
    monkeypatch.setattr(weights, "NANO_FOLDER", tmp_path)
    put(tmp_path / kind)
    found = find("nano", kind)
    assert (found, weights.describe(found)) == (tmp_path / kind, "nano")


def test_nano_missing_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "NANO_FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match="weights nano are not here") as caught:
        find("nano", "detector")
    assert "clone it whole" in caught.value.hint


@pytest.mark.parametrize(
    ("files", "lacks"),
    [((), "no config.json and no model.safetensors"), (("config.json",), "no model.safetensors"), (("a.safetensors",), "no config.json")],
)
def test_incomplete_folders(tmp_path: Path, files: tuple[str, ...], lacks: str) -> None:
    folder = put(tmp_path / "half", files=files)
    with pytest.raises(WeightsMissing, match=lacks) as caught:
        find(str(folder), "detector")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["", "nowhere", "/nowhere/at/all", "../up/there", "a/b/c", "-/-", "a--b/..c", "./x"])
def test_names_that_are_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsMissing):
        find(name, "detector", models_dir=tmp_path)


def ask(name: str, tmp_path: Path, **environment: str) -> tuple[str, float]:
    """What a process of its own with an empty cache says, and how long it took to say it."""
    script = f"""
from dinolabel.vision.errors import WeightsMissing
from dinolabel.vision.loading.weights import locate, obtain
try:
    obtain(locate({name!r}, "detector"))
except WeightsMissing as error:
    print("MISSING", error, error.hint)
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", **environment},
    )
    return done.stdout, time.monotonic() - started


def test_offline_is_respected(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(0.2)
        said, _ = ask("org/name", tmp_path, HF_HUB_OFFLINE="1", HF_ENDPOINT=f"http://127.0.0.1:{hub.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            hub.accept()
    assert "MISSING The weights org/name are not on this machine" in said
    assert "offline mode is enabled" in said


def test_a_hub_that_is_away_is_found_out_quickly(tmp_path: Path) -> None:
    said, _ = ask("org/name", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "MISSING The weights org/name are not on this machine and cannot be had from the hub" in said
    assert "hub: Connection refused." in said and "Errno" not in said
    for command in ("dinolabel weights fetch org/name --to weights", "export DINOLABEL_MODELS_DIR=weights", "--weights nano"):
        assert f"`{command}`" in said


def test_a_hub_whose_name_is_not_found_is_said_in_words(tmp_path: Path) -> None:
    said, _ = ask("org/name", tmp_path, HF_ENDPOINT="http://hub.invalid")
    assert "hub: its address is not found. Is there a network?" in said and "Errno" not in said


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as hub:
        said, seconds = ask("org/name", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{hub.getsockname()[1]}")
    assert "MISSING The weights org/name" in said
    assert seconds < 25


def test_a_complete_snapshot_in_the_cache_is_used_without_the_hub(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--org--name"
    put(repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789abcdef0123456789abcdef01234567")
    script = """
from dinolabel.vision.loading import weights
found = weights.obtain(weights.locate("org/name", "detector")).path
print(found, weights.describe(found))
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, env=environment)
    assert done.stdout.split() == [str(repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"), "org/name"]


@pytest.mark.parametrize(
    ("folder", "called", "short"),
    [
        ("/m/IDEA-Research--grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny", "grounding-dino-tiny"),
        ("/c/models--facebook--dinov2-small/snapshots/0a1b", "facebook/dinov2-small", "dinov2-small"),
        ("/m/grounding-dino-tiny", "grounding-dino-tiny", "grounding-dino-tiny"),
        ("/m/Mein Lauf, 7", "Mein Lauf, 7", "mein-lauf-7"),
        ("/m/顔", "顔", "weights"),
        ("/m/" + "x" * 60, "x" * 60, "x" * 40),
    ],
)
def test_names_for_people_and_versions(folder: str, called: str, short: str) -> None:
    assert weights.describe(Path(folder)) == called
    assert weights.short(called) == short


def test_digest_follows_content_not_time(tmp_path: Path) -> None:
    folder = put(tmp_path / "some")
    first = weights.digest(folder, "float32", {"b": 1, "a": 2})
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert weights.digest(folder, "float32", {"a": 2, "b": 1}) == first
    assert weights.digest(folder, "bfloat16", {"a": 2, "b": 1}) != first
    (folder / "model.safetensors").write_text("[]")
    assert weights.digest(folder, "float32", {"a": 2, "b": 1}) != first


def test_a_damaged_config(tmp_path: Path) -> None:
    folder = put(tmp_path / "some")
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config.json of some is no JSON"):
        weights.config(folder, allowed=["dinov2"])
