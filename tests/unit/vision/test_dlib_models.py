"""Face models on this machine: found, checked, and named where they are missing, half there or cannot run."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from dinolabel.vision import plugins
from dinolabel.vision.errors import ModelError, RequestError, WeightsMissing
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.weights import obtain
from tests import faces

ROOT = Path(__file__).resolve().parents[3]


def test_without_the_packages_the_one_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(each for each in sys.path if "site-packages" not in each)])
    for name in ("dlib", dlib_models.PACKAGE):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert dlib_models.find_folder() is None
    location = plugins.locate("detector", "grounding_dino", faces.PLUG)
    assert (location.name, location.where, location.here) == ("faces", "package", False)
    for ask in (lambda: obtain(location), dlib_models.import_library):
        with pytest.raises(WeightsMissing) as told:
            ask()
        assert dlib_models.COMMAND in told.value.hint


@faces.needed
def test_a_file_that_is_half_there_or_another_is_named(tmp_path: Path) -> None:
    whole = dlib_models.find_files("detector")[dlib_models.DETECTOR].read_bytes()
    half = tmp_path / dlib_models.DETECTOR
    half.write_bytes(whole[:1000])
    with pytest.raises(ModelError, match=r"mmod_human_face_detector.dat is not the file that it should be \(1,000 bytes\)") as told:
        plugins.load_detector(faces.PLUG, str(tmp_path))
    assert "--force-reinstall" in told.value.hint
    half.write_bytes(whole)
    assert plugins.load_detector(faces.PLUG, str(tmp_path)).name == "faces"
    with pytest.raises(WeightsMissing, match="is missing"):
        plugins.load_embedder(faces.PLUG, str(tmp_path))


@pytest.mark.parametrize(
    ("flags", "machine", "lacks"),
    [("flags : fpu sse2 avx avx2", "x86_64", False), ("flags : fpu sse2", "x86_64", True), ("Features : fp asimd", "aarch64", False),
     ("nothing said", "x86_64", False)],
)  # fmt: skip
def test_a_processor_without_avx_is_told_before_it_crashes(tmp_path: Path, flags: str, machine: str, lacks: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\n{flags}\n")
    assert dlib_models.lacks_avx(cpuinfo, machine, "linux") is lacks
    assert not dlib_models.lacks_avx(tmp_path / "none", machine, "linux")


@faces.needed
def test_without_avx_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_models, "lacks_avx", lambda: True)
    with pytest.raises(ModelError, match="no AVX"):
        plugins.load_embedder(faces.PLUG, faces.PLUG)


@faces.needed
def test_the_wheel_says_that_it_needs_avx() -> None:
    """Else the check above would turn people away for nothing."""
    assert dlib_models.import_library().USE_AVX_INSTRUCTIONS


def test_both_libraries_at_once_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"dlib-bin": "20.0.1.post1"}

    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(metadata, "version", version)
    assert not dlib_models.has_two_libraries() and dlib_models.library_version() == "20.0.1.post1"
    there["dlib"] = "20.0.1"
    assert dlib_models.has_two_libraries()


def test_the_pins_are_those_of_the_extra() -> None:
    pins = ", ".join(f'"{each}"' for each in dlib_models.REQUIREMENTS)
    assert f"faces = [{pins}]" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_file_that_may_not_be_used_is_not_used() -> None:
    assert not any("68" in name for name in dlib_models.DIGESTS)
    assert set(dlib_models.DIGESTS) == {name for names in dlib_models.FILES.values() for name in names}


def test_a_project_can_choose_what_brings_its_weights_itself() -> None:
    plugins.check_choice(faces.PLUG)
    for plug in ("dinov2", "onnx"):
        with pytest.raises(RequestError, match=f"cannot choose the embedder '{plug}' for itself") as told:
            plugins.check_choice(plug)
        assert "It can choose: faces" in told.value.hint
    assert plugins.crop_policy("dinov2").margin == 0.2 and plugins.crop_policy("faces").margin == 0.8
    assert plugins.crop_policy("dinov2", "faces").margin == 0.8
