"""The laws of dinolabel.testing for every file in dinolabel/vision/detectors, with tiny random weights and with `nano` where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dinolabel.testing import check_detector
from dinolabel.testing.detectors import DETECTOR_LAWS, PROMPT, drawn_pictures, finds_something
from dinolabel.vision.loading.weights import NANO, NANO_FOLDER
from dinolabel.vision.plugins import load_detector, names
from dinolabel.vision.proposals.candidates import apply_thresholds
from dinolabel.vision.protocols import Detector
from dinolabel.vision.types import Image, Prompt, Thresholds
from tests import faces
from tests.tiny_models import tiny

LOW = Thresholds(box=0.1, text=0.05)
SMALL = {"groundingdino_py": 96}  # its config names no size, and 800 pixels take long
IMAGES = drawn_pictures()


def weights() -> Iterator[tuple[str, str]]:
    for plug in sorted(set(names("detector")) - {faces.PLUG}):  # what it finds is held by tests/unit/vision/test_faces.py
        yield plug, "tiny"
        if plug == "grounding_dino" and (NANO_FOLDER / "detector" / "config.json").is_file():
            yield plug, NANO


@pytest.fixture(scope="module", params=list(weights()), ids="-".join)
def detectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Detector]:
    plug, which = request.param
    folders = [NANO] if which == NANO else [str(each) for each in tiny("detector", plug, tmp_path_factory.mktemp(plug))]
    loaded = [load_detector(plug, folder, device="cpu", input_size=SMALL.get(plug)) for folder in folders]
    for each in loaded:  # what is the same twice is so from then on
        each.candidates(IMAGES[:1], PROMPT)
        getattr(each, "settle", lambda: None)()
    return loaded


def test_there_is_a_detector() -> None:
    assert "grounding_dino" in names("detector")


@pytest.mark.parametrize("law", DETECTOR_LAWS, ids=lambda law: law.__name__)
def test_a_law(detectors: list[Detector], law: Callable[[Detector, Sequence[Image], Prompt], None]) -> None:
    for detector in detectors:
        if law is not finds_something or "nano" not in detector.name:  # nano knows drawn things, not blotches
            law(detector, IMAGES, PROMPT)


def test_random_weights_find_something_everywhere(detectors: list[Detector]) -> None:
    """Without boxes the other laws would be empty words."""
    for detector in detectors:
        if "nano" not in detector.name:
            assert all(len(found) >= 3 for found in detector.candidates(IMAGES[:5], PROMPT))


def test_what_passes_thresholds_is_one_of_the_prompt(detectors: list[Detector]) -> None:
    for detector in detectors:
        for image, candidates in zip(IMAGES, detector.candidates(IMAGES, PROMPT), strict=True):
            found = apply_thresholds(candidates, LOW, width=image.width, height=image.height)
            assert all(each.phrase in PROMPT.phrases and each.answer is None and LOW.box <= each.score <= 1 for each in found)


def test_each_weights_have_a_digest_of_their_own(detectors: list[Detector]) -> None:
    assert len({detector.digest for detector in detectors}) == len(detectors)


def test_a_detector_of_ours_by_the_suite_that_others_call(tmp_path: Path) -> None:
    folder = str(tiny("detector", "owlv2", tmp_path)[0])
    check_detector(lambda: load_detector("owlv2", folder, device="cpu"))


@faces.needed
def test_the_detector_of_faces_by_the_same_suite() -> None:
    images = [faces.portrait(side) for side in (200, 240, 200)]
    check_detector(lambda: load_detector(faces.PLUG, faces.PLUG), images=images, prompt=Prompt.of(["human face", "cat"]))


def test_digest_follows_weights_input_size_and_precision(tmp_path: Path) -> None:
    for plug in sorted(set(names("detector")) - {faces.PLUG}):  # its file has the digest that it must have
        folder = str(tiny("detector", plug, tmp_path / plug)[0])
        if Path(folder).is_file():
            continue  # one file, one precision: tests/unit/vision/test_groundingdino_py.py has this law for it
        same = [load_detector(plug, folder, device="cpu").digest for _ in range(2)]
        finer = load_detector(plug, folder, device="cpu", input_size=128).digest
        coarser = load_detector(plug, folder, device="cpu", precision="bfloat16").digest
        other = next(Path(folder).glob("*.safetensors"))
        content = bytearray(other.read_bytes())
        content[-1] ^= 1
        other.write_bytes(content)
        changed = load_detector(plug, folder, device="cpu").digest
        assert same[0] == same[1]
        assert len({same[0], finer, coarser, changed}) == 4
