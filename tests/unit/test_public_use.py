"""The lines of Python the package's docstring promises, on real classes with tiny random weights."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import dinolabel
from dinolabel import Box, Found, Pipeline, Thresholds
from tests.tiny_models import tiny_detector, tiny_embedder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    noise = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)
    PIL.Image.fromarray(noise).resize((160, 120)).save(path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("weights")
    return str(tiny_detector(folder / "detector")), str(tiny_embedder(folder / "embedder"))


def test_five_lines(photo: Path, weights: tuple[str, str]) -> None:
    pipeline = Pipeline.load(*weights, device="cpu", thresholds=Thresholds(box=0.2, text=0.05))
    found = pipeline(photo, "cat. dog")
    assert found
    for each in found:
        assert isinstance(each, Found)
        assert isinstance(each.box, Box)
        assert each.label in ("cat", "dog")
        assert 0.2 <= each.score <= 1
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert pipeline(PIL.Image.open(photo), "cat. dog") == found


def test_detect_only_needs_no_embedder(photo: Path, weights: tuple[str, str]) -> None:
    assert Pipeline.load(weights[0], None, device="cpu").embedder is None


def test_the_docstring_runs(
    photo: Path, weights: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, but for the weights and the folder."""
    monkeypatch.chdir(photo.parent)
    lines = re.search(r"::\n\n(.*?)\n\n(?!\s)", dinolabel.__doc__ or "", re.S)
    assert lines
    source = "\n".join(line.removeprefix("    ") for line in lines[1].splitlines()).replace('"nano"', f"{weights[0]!r}, {weights[1]!r}")
    assert len([line for line in source.splitlines() if line.strip()]) <= 5
    source = source.replace('"cat face"', '"cat face", thresholds=low')
    exec(compile(source, "docstring", "exec"), {"low": Thresholds(0.2, 0.0)})
    assert capsys.readouterr().out.startswith("cat face 0.")


def test_a_picture_as_every_command_sees_it(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (16, 8), "red").save(tmp_path / "scan.tif", exif=exif)
    image = dinolabel.open_image(tmp_path / "scan.tif")
    assert isinstance(image, dinolabel.Image)
    assert (image.width, image.height, image.pixels.shape, image.pixels.dtype) == (8, 16, (16, 8, 3), np.uint8)
    with pytest.raises(dinolabel.DinolabelError, match=r"no file gone\.jpg"):
        dinolabel.open_image(tmp_path / "gone.jpg")


def test_a_program_prints_only_what_it_prints(photo: Path, weights: tuple[str, str]) -> None:
    """Without any logging set up, structlog would print our debug lines to stdout, among the program's own."""
    program = "from dinolabel import Pipeline\nimport sys\nprint(len(Pipeline.load(*sys.argv[1:3], device='cpu')(sys.argv[3], 'cat')))"
    done = subprocess.run([sys.executable, "-c", program, *weights, str(photo)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().isdigit(), done.stdout
    assert "weights_hashed" not in done.stderr
