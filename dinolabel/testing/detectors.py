"""Laws of a detector (dinolabel/vision/protocols.py): each is a function of the detector, pictures and a prompt that it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import PIL.Image

from dinolabel.vision.errors import PromptMissing
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.protocols import Detector
from dinolabel.vision.types import Box, Image, Prompt

PROMPT = Prompt.of(["human face", "cat", "red car"])
SIZES = ((120, 160), (160, 120), (120, 160), (90, 300), (240, 320), (37, 41), (12, 400))
FEW = ("", " . ,", "?")
SCORE_ERROR, BOX_ERROR = 1e-3, 0.05  # of float32 in another batch size; pixels


def blotches(height: int, width: int, seed: int) -> Image:
    """A picture of soft blotches: something for a detector to differ on."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(noise).resize((width, height), PIL.Image.Resampling.BILINEAR)
    return Image.from_array(np.asarray(picture, dtype=np.uint8))


def drawn_pictures() -> list[Image]:
    """Of several sizes and ratios, two of them of one size."""
    return [blotches(height, width, seed) for seed, (height, width) in enumerate(SIZES)]


def check_detector(build: Callable[[], Detector], *, images: Sequence[Image] | None = None, prompt: Prompt = PROMPT) -> None:
    """Every law, on a detector that `build()` makes ready. Raises AssertionError.

    images: at least three in which it finds something for the prompt; without, blotches of several sizes, on which a detector of random
    weights finds what it will.
    """
    detector, pictures = build(), list(images) if images is not None else drawn_pictures()
    for law in DETECTOR_LAWS:
        law(detector, pictures, prompt)
    again = build()
    assert (again.name, again.digest) == (detector.name, detector.digest), "built twice alike, it has two names or digests"


def finds_something(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """Without boxes the other laws would be empty words: give `images` in which there is something."""
    assert any(detector.candidates(images, prompt)), "it finds nothing in any picture"


def answers_in_order(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    forth, back = detector.candidates(images, prompt), detector.candidates(images[::-1], prompt)
    assert len(forth) == len(images), f"{len(forth)} answers to {len(images)} pictures"
    for there, again in zip(forth, back[::-1], strict=True):
        assert_alike(there, again, "the order of the pictures changes what is found")
    assert detector.candidates([], prompt) == [], "no pictures, no answers"


def proposes_valid_boxes(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """Inside their picture, of a phrase that was asked for, with scores in 0..1, best first."""
    for image, found in zip(images, detector.candidates(images, prompt), strict=True):
        for each in found:
            assert each.box.clip(image.width, image.height) == each.box, f"{each.box} is not inside {image.width} x {image.height} pixels"
            assert each.phrase in prompt.phrases, f"nobody asked for {each.phrase!r}"
            assert 0 <= each.score <= 1 and 0 <= each.text_score <= 1, f"a score is outside 0..1: {each}"
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True), "the best does not come first"


def batch_equals_one_by_one(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    for image, found in zip(images, detector.candidates(images, prompt), strict=True):
        (alone,) = detector.candidates([image], prompt)
        assert_alike(found, alone, "a picture among others is answered differently than alone")


def is_repeatable(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """Also in several threads: the backend lets two requests in."""
    expected = detector.candidates(images[:2], prompt)
    assert detector.candidates(images[:2], prompt) == expected, "asked twice, it answers differently"
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: detector.candidates(images[:2], prompt), range(12)):
            assert found == expected, "asked by several threads, it answers differently"


def obeys_floor_and_most(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """`floor` is the least score, `most` how many of the best."""
    (every,) = detector.candidates(images[:1], prompt, floor=0.0, most=1000)
    if not every:
        return
    middle = every[(len(every) - 1) // 2].score
    (few,) = detector.candidates(images[:1], prompt, floor=middle, most=3)
    (high,) = detector.candidates(images[:1], prompt, floor=middle, most=1000)
    assert high == [each for each in every if each.score >= middle], "floor= is not the least score"
    assert few == high[:3], "most= are not the best"


def refuses_an_empty_prompt(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """Words of which nothing is left raise PromptMissing: no letter, no digit."""
    for text in FEW:
        try:
            found = detector.candidates(images[:1], Prompt.parse(text))
        except PromptMissing:
            continue
        raise AssertionError(f"the prompt {text!r} is empty and was answered with {len(found[0])} boxes; raise PromptMissing")


def leaves_pixels_alone(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    pixels = np.array(images[0].pixels)
    before = pixels.copy()
    detector.candidates([replace(images[0], load=lambda: pixels)], prompt)
    assert np.array_equal(pixels, before), "it draws into the picture it was given"


def says_what_it_is(detector: Detector, images: Sequence[Image], prompt: Prompt) -> None:
    """Name and digest stand in model versions, device and precision in what `doctor` and `/health` say."""
    assert re.fullmatch(r"[a-z0-9-]+", detector.name), f"the name {detector.name!r} has more than a-z, 0-9 and -"
    assert re.fullmatch(r"[0-9a-f]{16,}", detector.digest), f"the digest {detector.digest!r} is no hex digest of 16 letters or more"
    assert detector.weights and not detector.weights.startswith("/"), f"weights is for people, and no path: {detector.weights!r}"
    assert detector.device and detector.precision, "device and precision are empty"


def assert_alike(some: Sequence[Candidate], others: Sequence[Candidate], law: str) -> None:
    """Alike up to rounding; near-equal scores may change places."""
    assert len(some) == len(others), f"{law}: {len(some)} boxes and {len(others)}"
    apart = max((abs(one.score - other.score) for one, other in zip(some, others, strict=True)), default=0.0)
    assert apart <= SCORE_ERROR, f"{law}: scores differ by {apart:.4f}"
    for each in some:
        assert any(_near(each.box, other.box) and each.phrase == other.phrase for other in others), f"{law}: {each} is not found again"


def _near(box: Box, other: Box) -> bool:
    return bool(np.allclose(box.xyxy, other.xyxy, atol=BOX_ERROR))


DETECTOR_LAWS: tuple[Callable[[Detector, Sequence[Image], Prompt], None], ...] = (
    finds_something,
    answers_in_order,
    proposes_valid_boxes,
    batch_equals_one_by_one,
    is_repeatable,
    obeys_floor_and_most,
    refuses_an_empty_prompt,
    leaves_pixels_alone,
    says_what_it_is,
)
