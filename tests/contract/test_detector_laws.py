"""The laws of dinolabel/vision/protocols.py for every file in dinolabel/vision/detectors, with tiny random weights and with `nano` where
it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinolabel.vision.errors import PromptMissing
from dinolabel.vision.loading.weights import NANO, NANO_FOLDER
from dinolabel.vision.plugins import load_detector, names
from dinolabel.vision.proposals.candidates import Candidate, apply_thresholds
from dinolabel.vision.protocols import Detector
from dinolabel.vision.types import Box, Detection, Image, Prompt, Thresholds
from tests.tiny_models import tiny

PROMPT = Prompt.of(["human face", "cat", "red car"])
LOW = Thresholds(box=0.1, text=0.05)
SIZES = [(120, 160), (160, 120), (120, 160), (90, 300), (240, 320), (37, 41), (12, 400)]


def weights() -> Iterator[tuple[str, str]]:
    for plug in names("detector"):
        yield plug, "tiny"
        if plug == "grounding_dino" and (NANO_FOLDER / "detector" / "config.json").is_file():
            yield plug, NANO


@cache
def picture(height: int, width: int, seed: int) -> Image:
    """Soft blotches: something for a detector to differ on."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.from_array(np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8))


IMAGES = [picture(height, width, seed) for seed, (height, width) in enumerate(SIZES)]


def detected(detector: Detector, images: list[Image], prompt: Prompt, thresholds: Thresholds) -> list[list[Detection]]:
    found = zip(images, detector.candidates(images, prompt), strict=True)
    return [apply_thresholds(each, thresholds, width=image.width, height=image.height) for image, each in found]


@pytest.fixture(scope="module", params=list(weights()), ids="-".join)
def detectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Detector]:
    plug, which = request.param
    folders = [NANO] if which == NANO else [str(each) for each in tiny("detector", plug, tmp_path_factory.mktemp(plug))]
    return [load_detector(plug, folder, device="cpu") for folder in folders]


def test_there_is_a_detector() -> None:
    assert "grounding_dino" in names("detector")


def test_same_length_and_order(detectors: list[Detector]) -> None:
    for detector in detectors:
        forth = detected(detector, IMAGES, PROMPT, LOW)
        back = detected(detector, IMAGES[::-1], PROMPT, LOW)
        assert len(forth) == len(IMAGES)
        for there, again in zip(forth, back[::-1], strict=True):
            assert_same_boxes([each.box for each in there], [each.box for each in again])
        assert detected(detector, [], PROMPT, LOW) == []


def test_boxes_inside_scores_sorted_phrases_asked_for(detectors: list[Detector]) -> None:
    for detector in detectors:
        for image, found in zip(IMAGES, detected(detector, IMAGES, PROMPT, LOW), strict=True):
            for each in found:
                assert each.box.clip(image.width, image.height) == each.box
                assert each.phrase in PROMPT.phrases
                assert each.answer is None
                assert LOW.box <= each.score <= 1
            assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_random_weights_find_something(detectors: list[Detector]) -> None:
    """Without boxes the other laws would be empty words."""
    for detector in detectors:
        if "nano" not in detector.name:
            assert all(len(found) >= 3 for found in detector.candidates(IMAGES[:5], PROMPT))


def test_a_batch_equals_one_by_one(detectors: list[Detector]) -> None:
    for detector in detectors:
        together = detector.candidates(IMAGES, PROMPT)
        for image, found in zip(IMAGES, together, strict=True):
            (alone,) = detector.candidates([image], PROMPT)
            assert_same_candidates(found, alone)


def test_twice_is_the_same(detectors: list[Detector]) -> None:
    for detector in detectors:
        assert detected(detector, IMAGES[:2], PROMPT, LOW) == detected(detector, IMAGES[:2], PROMPT, LOW)


def test_several_threads_at_once(detectors: list[Detector]) -> None:
    """The backend lets two requests in."""
    for detector in detectors:
        expected = detector.candidates(IMAGES[:2], PROMPT)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _, ask=detector: ask.candidates(IMAGES[:2], PROMPT), range(12)):
                assert found == expected


def test_candidates_obey_floor_and_most(detectors: list[Detector]) -> None:
    for detector in detectors:
        (every,) = detector.candidates(IMAGES[:1], PROMPT, floor=0.0, most=1000)
        middle = every[len(every) // 2].score
        (few,) = detector.candidates(IMAGES[:1], PROMPT, floor=middle, most=3)
        assert few == every[:3]
        (high,) = detector.candidates(IMAGES[:1], PROMPT, floor=middle, most=1000)
        assert high == [each for each in every if each.score >= middle]


def test_an_empty_prompt_is_refused(detectors: list[Detector]) -> None:
    for detector in detectors:
        for prompt in ("", " . ,", "?"):
            with pytest.raises(PromptMissing):
                detected(detector, IMAGES[:1], Prompt.parse(prompt), LOW)


def test_inputs_stay_untouched(detectors: list[Detector]) -> None:
    pixels = np.array(IMAGES[0].pixels)
    image = replace(Image.from_array(pixels), load=lambda: pixels)
    before = pixels.copy()
    for detector in detectors:
        detected(detector, [image], PROMPT, LOW)
    assert np.array_equal(pixels, before)


def test_names_and_digests(detectors: list[Detector]) -> None:
    for detector in detectors:
        assert re.fullmatch(r"[a-z0-9-]+", detector.name)
        assert re.fullmatch(r"[0-9a-f]{16,}", detector.digest)
    assert len({detector.digest for detector in detectors}) == len(detectors)


def test_digest_follows_weights_input_size_and_precision(tmp_path: Path) -> None:
    for plug in names("detector"):
        folder = str(tiny("detector", plug, tmp_path / plug)[0])
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


def assert_same_candidates(some: list[Candidate], others: list[Candidate]) -> None:
    """Alike up to the rounding of float32 in another batch size; near-equal scores may change places."""
    assert [each.score for each in some] == pytest.approx([each.score for each in others], abs=1e-3)
    for each in some:
        assert any(alike(each.box, other.box) and each.phrase == other.phrase for other in others)


def assert_same_boxes(some: list[Box], others: list[Box]) -> None:
    assert len(some) == len(others)
    assert all(any(alike(box, other) for other in others) for box in some)


def alike(box: Box, other: Box) -> bool:
    return bool(np.allclose(box.xyxy, other.xyxy, atol=0.05))
