"""The lines of Python the package's docstring promises, on real classes with tiny random weights."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import dinolabel
from dinolabel import Box, LabelledBox, Pipeline, Thresholds, release
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
        assert isinstance(each, LabelledBox)
        assert isinstance(each.box, Box)
        assert each.label in ("cat", "dog")
        assert 0.2 <= each.score <= 1
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert [read(each) for each in pipeline(PIL.Image.open(photo), "cat. dog")] == [read(each) for each in found]


@pytest.fixture(scope="module")
def pipeline(weights: tuple[str, str]) -> Pipeline:
    return Pipeline.load(*weights, device="cpu", thresholds=Thresholds(box=0.2, text=0.05))


KINDS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "path": Path,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "file": lambda path: path.open("rb"),
    "stream": lambda path: io.BytesIO(path.read_bytes()),
    "array": lambda path: dinolabel.open_image(path).pixels,
    "pillow": PIL.Image.open,
    "image": dinolabel.open_image,
}


def read(found: LabelledBox) -> tuple[str, float, Box]:
    """The score to four digits: models answer a batch otherwise than a single picture in the seventh."""
    return found.label, round(found.score, 4), found.box


@pytest.mark.parametrize("kind", KINDS)
def test_one_picture_of_any_kind(photo: Path, pipeline: Pipeline, kind: str) -> None:
    wanted = pipeline(photo, "cat. dog")
    found = pipeline(KINDS[kind](photo), "cat. dog")
    assert wanted and [read(each) for each in found] == [read(each) for each in wanted]


MANY: dict[str, Callable[[Path], Any]] = {
    "list": lambda path: [str(path), path, path.read_bytes(), PIL.Image.open(path), dinolabel.open_image(path).pixels],
    "tuple": lambda path: (path, path),
    "generator": lambda path: (each for each in [path] * 6),
    "glob": lambda path: path.parent.glob("*.jpg"),
    "one": lambda path: [path],
    "none": lambda path: [],
}


@pytest.mark.parametrize("kind", MANY)
def test_several_pictures_give_a_list_for_each(photo: Path, pipeline: Pipeline, kind: str) -> None:
    count = len(list(MANY[kind](photo)))
    answers = pipeline(MANY[kind](photo), "cat. dog")
    assert [list(map(read, each)) for each in answers] == [list(map(read, pipeline(photo, "cat. dog")))] * count


def test_several_pictures_are_held_a_few_at_a_time(photo: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []

    def find(images: Sequence[dinolabel.Image], *_: object, **__: object) -> list[list[dinolabel.Detection]]:
        batches.append(len(images))
        return [[] for _ in images]

    monkeypatch.setattr(pipeline, "predict", find)
    assert pipeline((photo for _ in range(9)), "cat") == [[]] * 9
    assert batches == [4, 4, 1]


def test_words_are_a_text_or_a_list(photo: Path, pipeline: Pipeline) -> None:
    one, *others = ([read(each) for each in pipeline(photo, words)] for words in (["cat", "dog"], "cat. dog", "cat, dog"))
    assert others == [one, one]


@pytest.mark.parametrize(
    ("picture", "error", "words", "hint"),
    [
        ("gone.jpg", dinolabel.MediaUnavailable, "no file gone.jpg", "Check the path."),
        (Path("gone.jpg"), dinolabel.MediaUnavailable, "no file gone.jpg", "Check the path."),
        (["photo.jpg", "gone.jpg"], dinolabel.MediaUnavailable, "no file gone.jpg", "Check the path."),
        (".", dinolabel.MediaUnavailable, "is a folder", "the pictures in it"),
        ("https://x.org/a.jpg", dinolabel.MediaRefused, "not fetched in Python", "give its bytes"),
        (b"", dinolabel.MediaUnreadable, "the picture is empty", "again"),
        (b"<html>", dinolabel.MediaUnreadable, "web page", "login"),
        (io.BytesIO(b"no picture"), dinolabel.MediaUnreadable, "no picture that we can decode", "JPEG"),
    ],
)
def test_a_bad_picture_says_what_to_do(
    photo: Path,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    picture: Any,
    error: type[dinolabel.DinolabelError],
    words: str,
    hint: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    with pytest.raises(error) as caught:
        pipeline(picture, "cat")
    assert isinstance(caught.value, dinolabel.MediaError)
    assert words in str(caught.value) and hint in caught.value.hint and "Label Studio" not in caught.value.hint


@pytest.mark.parametrize("picture", [None, 7, [None], object()])
def test_what_can_be_no_picture_is_a_type_error(pipeline: Pipeline, picture: Any) -> None:
    with pytest.raises(TypeError, match="expected a path, bytes, an open file"):
        pipeline(picture, "cat")


def test_a_file_of_text_is_a_type_error(photo: Path, pipeline: Pipeline) -> None:
    with pytest.raises(TypeError, match='open it with "rb"'):
        pipeline(io.StringIO("text"), "cat")  # type: ignore[call-overload]


@pytest.mark.parametrize("prompt", [None, "", " . ", []])
def test_without_words_the_hint_is_one_for_python(photo: Path, pipeline: Pipeline, prompt: Any) -> None:
    with pytest.raises(dinolabel.PromptMissing) as caught:
        pipeline(photo, prompt)
    assert 'prompt="human face"' in caught.value.hint and "--prompt" not in caught.value.hint


def test_what_was_found_goes_on_as_json_and_to_supervision(photo: Path, pipeline: Pipeline) -> None:
    found = pipeline(photo, "cat. dog")
    assert json.loads(json.dumps([each.to_dict() for each in found])) == [each.row() for each in found]
    made = dinolabel.to_supervision(found)
    assert np.allclose(made.xyxy, [each.box.xyxy for each in found])
    assert list(made.data["class_name"]) == [each.label for each in found]
    assert made.class_id is not None and [sorted({each.label for each in found})[at] for at in made.class_id] == [
        each.label for each in found
    ]
    assert made.confidence is not None and np.allclose(made.confidence, [each.score for each in found])
    assert np.isnan(made.data["name_confidence"]).all()
    assert list(dinolabel.to_supervision(found, classes=["dog", "bird", "cat"]).class_id) == [  # type: ignore[arg-type]
        {"dog": 0, "cat": 2}[each.label] for each in found
    ]
    assert len(dinolabel.to_supervision([])) == 0


PUBLIC = """Box Bundle BundleMismatch CropPolicy Detection DeviceUnavailable DinolabelError Image LabelledBox MediaError MediaRefused
MediaUnavailable MediaUnreadable ModelError Named Pipeline Prompt PromptMissing PromptUnknown Reference RequestError
SettingsError Suppressed Thresholds Unknown WeightsMissing __version__ open_image to_supervision"""


def test_the_public_names() -> None:
    """What programs may lean on: a name that goes, or comes, is told in CHANGELOG.md and in docs/python.md."""
    assert sorted(dinolabel.__all__) == sorted(PUBLIC.split()) == dir(dinolabel)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in PUBLIC.split():
        assert getattr(dinolabel, name) is not None
        assert f"`{name}" in page, f"docs/python.md says nothing of {name}"
    with pytest.raises(AttributeError):
        _ = dinolabel.nonsense
    for old, new in dinolabel.RENAMED.items():
        with pytest.warns(DeprecationWarning, match=new):
            assert getattr(dinolabel, old) is getattr(dinolabel, new)


def test_errors_are_caught_by_their_kind() -> None:
    errors = [each for name in dinolabel.__all__ if isinstance(each := getattr(dinolabel, name), type) and issubclass(each, Exception)]
    assert len(errors) == 13 and all(issubclass(each, dinolabel.DinolabelError) for each in errors)


def test_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dinolabel.__version__.startswith("0.")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')

    def unknown(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(release, "version", unknown)
    assert release.find(tmp_path / "pyproject.toml") == "1.2.3+checkout"
    assert release.find(tmp_path / "gone.toml") == release.UNKNOWN
    assert re.fullmatch(r"\d+\.\d+\.\d+\+checkout", release.find())


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


def test_the_page_for_programs_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    exec(compile("\n".join(blocks), "docs/python.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cat face 0.") and lines[-1].startswith("scene-00")
