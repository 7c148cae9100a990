from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.vision.errors import WeightsMissing
from dinolabel.vision.loading.hub import ways_out
from dinolabel.vision.loading.weights import WeightsLocation


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("dinolabel.vision.loading.weights.NANO_FOLDER", tmp_path / "nano")
    return tmp_path


def put(folder: Path, size: int = 1000) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"x" * size)


def found(hub: Path, name: str) -> WeightsLocation:
    return weights.find(Settings(detector_weights=name, models_dir=hub / "models"))[0]


def test_embedded(hub: Path) -> None:
    assert not found(hub, "nano").here
    put(hub / "nano" / "detector", 18_000_000)
    assert weights.described(found(hub, "nano")) == "nano (embedded, knows drawn things only, not photos, 18 MB)"


@pytest.mark.parametrize("place", ["models/org/name", "models/org--name", "models/name"])
def test_a_folder_of_downloaded_weights(hub: Path, place: str) -> None:
    put(hub / place)
    each = found(hub, "org/name")
    assert (each.where, each.path, each.size) == ("folder", hub / place, 1000)


def test_a_folder_by_its_path(hub: Path) -> None:
    put(hub / "mine")
    assert found(hub, str(hub / "mine")).where == "folder"


def test_a_file_by_its_path_or_in_the_folder_of_models(hub: Path) -> None:
    (hub / "models").mkdir()
    file = hub / "models" / "faces.onnx"
    file.write_bytes(b"x" * 2_000_000)
    for name in (str(file), "faces.onnx"):
        each = found(hub, name)
        assert (each.where, each.path, each.size) == ("file", file, 2_000_000)
        assert weights.described(each) == f"{name} (a file, 2 MB)"


def test_what_the_hub_gave_before(hub: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    put(hub / "hub" / "models--org--name" / "snapshots" / commit)
    (hub / "hub" / "models--org--name" / "refs").mkdir()
    (hub / "hub" / "models--org--name" / "refs" / "main").write_text(commit)
    assert found(hub, "org/name").where == "cache"


def test_an_interrupted_download_is_not_here(hub: Path) -> None:
    (hub / "hub" / "models--org--name" / "snapshots" / "abc").mkdir(parents=True)
    assert not found(hub, "org/name").here


def test_without_a_hub_one_command_fetches_all_that_is_missing(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(location: WeightsLocation) -> WeightsLocation:
        raise WeightsMissing(f"{location.name} cannot be had.", hint=ways_out(location.name))

    monkeypatch.setattr(weights, "obtain", refuse)
    with pytest.raises(WeightsMissing) as caught:
        weights.fetch(Settings())
    fetching, folder, nano = caught.value.hint.splitlines()[1:]
    assert "`dinolabel weights fetch IDEA-Research/grounding-dino-tiny facebook/dinov2-small --to weights`" in fetching
    assert "`export DINOLABEL_MODELS_DIR=weights`" in folder and "`--weights nano`" in nano
    put(hub / "models" / "grounding-dino-tiny")
    with pytest.raises(WeightsMissing) as caught:
        weights.fetch(Settings(models_dir=hub / "models"))
    assert "fetch facebook/dinov2-small --to" in caught.value.hint


def test_the_plan_says_how_much_comes(hub: Path) -> None:
    lines = weights.plan_lines(Settings())
    assert ("downloads", "about 778 MB from the hub, once") in lines
    put(hub / "models" / "grounding-dino-tiny")
    put(hub / "models" / "dinov2-small")
    assert [verb for verb, _ in weights.plan_lines(Settings(models_dir=hub / "models"))] == ["detector", "embedder"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, {}),
        ("nano", {"detector_weights": "nano", "embedder_weights": "nano"}),
        ("hub", {"detector_weights": "IDEA-Research/grounding-dino-tiny", "embedder_weights": "facebook/dinov2-small"}),
        ("org/name", {"detector_weights": "org/name"}),
    ],
)
def test_what_the_flag_stands_for(name: str | None, expected: dict[str, str]) -> None:
    assert weights.flags(name) == expected
