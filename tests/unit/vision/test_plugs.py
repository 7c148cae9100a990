from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dinolabel.vision import plugin_loader, plugins
from dinolabel.vision.errors import ModelError, UnknownPlug, WeightsMissing
from tests.tiny_models import tiny_detector, tiny_embedder


def test_names_are_the_files() -> None:
    assert "grounding_dino" in plugins.names("detector")
    assert "dinov2" in plugins.names("embedder")
    assert all(not name.startswith("_") for kind in plugins.KINDS for name in plugins.names(kind))


@pytest.mark.parametrize("name", ["yolo", "", "__init__", "../errors", "grounding-dino", "os"])
def test_an_unknown_name_lists_what_is_there(name: str) -> None:
    with pytest.raises(UnknownPlug, match=r"there are: .*grounding_dino"):
        plugins.load_detector(name, "nano")
    with pytest.raises(UnknownPlug, match=r"there are: .*dinov2"):
        plugins.load_embedder(name, "nano")
    with pytest.raises(UnknownPlug, match="there are: "):
        plugins.head(name)


def test_an_unknown_kind() -> None:
    with pytest.raises(UnknownPlug, match="there are detector, embedder, head"):
        plugins.names("exporter")


def test_loads_from_models_dir_by_hub_id(tmp_path: Path) -> None:
    tiny_detector(tmp_path / "IDEA-Research--grounding-dino-tiny")
    tiny_embedder(tmp_path / "dinov2-small")
    detector = plugins.load_detector("grounding_dino", "IDEA-Research/grounding-dino-tiny", device="cpu", models_dir=tmp_path)
    embedder = plugins.load_embedder("dinov2", "facebook/dinov2-small", device="cpu", models_dir=tmp_path)
    assert (detector.name, embedder.name) == ("gdino-tiny", "dinov2-small")


def test_input_size_reaches_the_detector(tmp_path: Path) -> None:
    folder = str(tiny_detector(tmp_path / "weights"))
    plain, larger = (plugins.load_detector("grounding_dino", folder, device="cpu", input_size=size) for size in (None, 200))
    assert plain.digest != larger.digest


def test_missing_weights_are_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing):
        plugins.load_detector("grounding_dino", str(tmp_path / "none"))


def test_a_plug_that_cannot_be_imported_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(plugin_loader, "import_module", broken)
    with pytest.raises(ModelError, match="torchvision::nms") as caught:
        plugins.load_detector("grounding_dino", "nano")
    assert "uninstall" in caught.value.hint


def test_asking_for_names_imports_no_torch() -> None:
    script = (
        "import sys, dinolabel.vision.plugins as p; p.names('detector'); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
