"""groundingdino-py's own network in our seam: in this process, in one of its own, and what is wrong with weights and configs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from dinolabel.vision.detectors.groundingdino_py import GroundingDinoPy, build
from dinolabel.vision.errors import ModelError, SettingsError, WeightsMissing
from dinolabel.vision.originals import groundingdino_package, package_process
from dinolabel.vision.originals.groundingdino_package import PackageModel, read_config, shown_size
from dinolabel.vision.types import Image, Prompt
from tests.parity import official
from tests.tiny_models import groundingdino_package as package_folder
from tests.tiny_models import tiny_pth

PROMPT = Prompt.of(["human face", "red car"])
OUTPUTS = Path(__file__).parents[2] / "fixtures" / "groundingdino_py" / "outputs.npz"
PICTURE = Image.from_array(
    np.asarray(PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).resize((160, 120)))
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pth(tmp_path_factory.mktemp("weights") / "groundingdino_tiny.pth")


@pytest.fixture(scope="module")
def detector(weights: Path) -> GroundingDinoPy:
    return build(str(weights), device="cpu", input_size=96)


def test_the_network_is_the_packages_beside_transformers_4(weights: Path) -> None:
    """tests/fixtures/groundingdino_py holds what it gave there: transformers 4.49, in an environment of its own (`make parity`)."""
    official.words_at(weights.parent)
    model = PackageModel(str(weights), str(weights.with_suffix(".py")), words=str(weights.parent), device="cpu", input_size=None)
    with np.load(OUTPUTS) as kept:
        expected = dict(kept)
    found = official.run(model._model, torch.from_numpy(expected["pixels"]))
    for name, value in found.items():
        read = np.isfinite(expected[name])
        assert np.abs(value[read] - expected[name][read]).max() <= 1e-5 * np.abs(expected[name][read]).max(), name


def test_boxes_and_scores_are_the_packages(weights: Path, detector: GroundingDinoPy) -> None:
    model = detector._model
    assert isinstance(model, PackageModel)
    probabilities, boxes = model.answer(PICTURE.pixels, "human face . red car .")
    ours = detector.candidates([PICTURE], PROMPT, floor=0.0, most=1000)[0]
    best = sorted(probabilities[:, [1, 2, 4, 5]].max(axis=1), reverse=True)  # [CLS] human face . red car . [SEP]
    assert [each.score for each in ours] == pytest.approx(best, abs=0.2) and len(ours) == len(boxes)
    centres = {(round(float(box[0]) * 160, 2), round(float(box[1]) * 120, 2)) for box in boxes}
    inside = [each for each in ours if each.box.x1 > 0 and each.box.x2 < 160 and each.box.y1 > 0 and each.box.y2 < 120]
    assert inside and all((round((a.box.x1 + a.box.x2) / 2, 2), round((a.box.y1 + a.box.y2) / 2, 2)) in centres for a in inside)


@pytest.mark.parametrize(
    ("size", "shown"), [((640, 480), (1066, 800)), ((480, 640), (800, 1066)), ((4000, 1000), (1332, 333)), ((800, 900), (800, 900))]
)
def test_a_picture_is_resized_as_the_package_does(size: tuple[int, int], shown: tuple[int, int]) -> None:
    """Its datasets/transforms.py: RandomResize([800], max_size=1333)."""
    assert shown_size(size, 800) == shown


def test_the_digest_follows_weights_config_words_and_size(tmp_path: Path) -> None:
    path = tiny_pth(tmp_path / "a.pth")
    digests = [build(str(path), device="cpu", input_size=size).digest for size in (96, 96, 128)]
    config = path.with_suffix(".py")
    config.write_text(config.read_text().replace("num_queries = 20", "num_queries = 10\nnum_queries = 20\nmine = 1"))
    digests.append(build(str(path), device="cpu", input_size=96).digest)
    words = path.parent / "vocab.txt"
    words.write_text(words.read_text().replace("car", "cart"))
    digests.append(build(str(path), device="cpu", input_size=96).digest)
    content = torch.load(path, weights_only=True)
    content["model"]["module.feat_map.bias"][0] += 1
    torch.save(content, path)
    digests.append(build(str(path), device="cpu", input_size=96).digest)
    assert digests[0] == digests[1] and len(set(digests)) == 5


def test_a_config_of_another_model_says_so(tmp_path: Path) -> None:
    path = tiny_pth(tmp_path / "a.pth")
    config = path.with_suffix(".py")
    config.write_text(config.read_text() + "\nenc_layers = 3\n")
    with pytest.raises(ModelError, match=r"lack \d+ tensors of this config"):
        build(str(path), device="cpu")
    config.write_text("modelname = ")
    with pytest.raises(ModelError, match="SyntaxError"):
        build(str(path), device="cpu")


def test_a_config_on_a_base(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("import os\nenc_layers = 6\nname = 'base'\n")
    (tmp_path / "own.py").write_text("_base_ = ['base.py']\nenc_layers = 2\n")
    assert read_config(tmp_path / "own.py") == {"enc_layers": 2, "name": "base"}


def test_what_is_no_pth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no \.pth"):
        build(str(tmp_path / "weights.bin"))
    with pytest.raises(SettingsError, match="at least 64"):
        build(str(tmp_path / "a.pth"), input_size=10)
    (tmp_path / "a.pth").write_bytes(b"no weights")
    package_folder()
    with pytest.raises(ModelError, match="groundingdino-py failed"):
        build(str(tmp_path / "a.pth"), device="cpu")


def test_words_without_meaning_are_known(detector: GroundingDinoPy) -> None:
    assert detector.unknown_phrases(Prompt.of(["red car", "人脸"])) == ("人脸",)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the package cannot be imported; the process of its own finds it in the tests' folder, beside our transformers."""
    folder = package_folder()
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(folder)])
    monkeypatch.setattr("dinolabel.vision.detectors.groundingdino_py.environment", lambda: folder)
    for name in [each for each in sys.modules if each.split(".")[0] == "groundingdino"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_process_of_its_own_gives_the_same(weights: Path, detector: GroundingDinoPy, apart: None) -> None:
    other = build(str(weights), device="cpu", input_size=96)
    assert isinstance(other._model, package_process.PackageProcess)
    assert (other.name, other.digest) == (detector.name, detector.digest)
    for one, two in zip(detector.candidates([PICTURE], PROMPT)[0], other.candidates([PICTURE], PROMPT)[0], strict=True):
        assert two.box.xyxy == pytest.approx(one.box.xyxy, abs=0.05) and two.score == pytest.approx(one.score, abs=1e-4)
    assert other.unknown_phrases(Prompt.of(["人脸"])) == ("人脸",)
    process = other._model._process
    process.terminate()
    process.wait(10)
    with pytest.raises(ModelError, match="process of groundingdino-py has ended"):
        other.candidates([PICTURE], PROMPT)


def test_a_process_that_cannot_load_says_why(tmp_path: Path, apart: None) -> None:
    (tmp_path / "a.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="groundingdino-py failed: UnpicklingError"):
        build(str(tmp_path / "a.pth"), device="cpu")


def test_the_environment_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for pip fails, then installs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked: list[list[str]] = []

    def pip(command: list[str]) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        (Path(command[command.index("--target") + 1]) / "groundingdino").mkdir()
        return subprocess.CompletedProcess(command, int(len(asked) == 1), "", "ERROR: no network\n")

    monkeypatch.setattr(package_process, "_run", pip)
    with pytest.raises(ModelError, match="cannot be installed: ERROR: no network") as raised:
        package_process.environment()
    assert "--no-deps" in raised.value.hint and not (tmp_path / "dinolabel" / "groundingdino-py-0.4.0").exists()
    made = package_process.environment()
    assert made == tmp_path / "dinolabel" / "groundingdino-py-0.4.0" and (made / "groundingdino").is_dir()
    assert package_process.environment() == made and len(asked) == 2
    assert asked[1][-4:] == list(package_process.PACKAGES) and "--no-deps" in asked[1]


def test_the_program_imports_nothing_of_ours() -> None:
    """It runs beside another transformers, in a process that has no dinolabel on its path."""
    text = Path(groundingdino_package.__file__).read_text(encoding="utf-8")
    assert "from dinolabel" not in text and "import dinolabel" not in text
