"""Human faces on photos with dlib, by weights from the package registry: no hub is needed.   DINOLABEL_DETECTOR=faces

A quick detector (gradients, frontal faces) proposes; what it is not sure of, a small network looks at again.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from dinolabel.vision.errors import PromptMissing
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate, top_k
from dinolabel.vision.proposals.face_words import is_face, refuse_others, unknown_words
from dinolabel.vision.types import Box, Image, Prompt

WEIGHTS = "package"
RULES = 1  # raise it when the way from pixels to candidates changes, so that caches are made anew
STRIP_PIXELS = 4_000_000  # a larger picture is looked at in strips of so much
OVERLAP = 240  # pixels that neighbouring strips have in common: a face that does not fit in is found in the whole picture, reduced
WHOLE_PIXELS = 2_000_000  # of that
MOST_PIXELS = 24_000_000  # a larger picture is reduced to this first: ten seconds are enough for one
LEAST, SURE = -0.3, 0.5  # of the quick detector's score: below the first nothing is proposed, from the second on nothing is asked again
MOST_DOUBTS = 8  # of a picture: each costs 0.2 s
ASKED_SIDE, ASKED_WINDOW = 200, 2.0  # pixels of what the network is shown, in sides of the proposal: it sees faces of 80 pixels and more
AGREED = 0.3  # of the network's confidence
CONFIRMED, DOUBTED = 0.5, 0.2  # the score of a doubtful proposal is at least, at most this
SAME = 0.35  # intersection over union from which two proposals are one face
FRAME = (0.03, -0.23, 0.98, 1.07)  # from hairline to chin, in sides of the quick detector's square, which ends at the brows

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FaceProposal:
    """x, y: middle of the quick detector's square, side: of it, pixels of the picture. score: the detector's own, about -0.3 to 3."""

    x: float
    y: float
    side: float
    score: float

    @property
    def box(self) -> Box:
        left, top = self.x - self.side / 2, self.y - self.side / 2
        x1, y1, x2, y2 = (start + share * self.side for start, share in zip((left, top) * 2, FRAME, strict=True))
        return Box(x1, y1, x2, y2)

    def overlap(self, other: FaceProposal) -> float:
        """Intersection over union of the two squares."""
        wide, high = (
            max(0.0, (self.side + other.side) / 2 - abs(mine - theirs)) for mine, theirs in ((self.x, other.x), (self.y, other.y))
        )
        both = min(wide, self.side, other.side) * min(high, self.side, other.side)
        return both / (self.side**2 + other.side**2 - both)


class FaceDetector:
    """A `Detector` (dinolabel/vision/protocols.py) of human faces, and of nothing else, from 40 pixels on.

    Scores are no probabilities: 0.73 and more where the quick detector is sure, 0.5 and more where the network agreed with its doubt, at
    most 0.2 where it did not. input_size: shorter side that is looked at, pixels; None: as it is, up to 24 megapixels.
    """

    name, weights, device, precision = dlib_models.FACES, dlib_models.FACES, "cpu", "float32"

    def __init__(self, weights: str, *, input_size: int | None) -> None:
        files = dlib_models.find_files("detector", weights)
        dlib = dlib_models.import_library()
        self._quick, self._lock = dlib.get_frontal_face_detector(), threading.Lock()  # both keep what they are at in themselves
        self._network = dlib.cnn_face_detection_model_v1(str(files[dlib_models.DETECTOR]))
        self.input_size = input_size
        facts = [RULES, WHOLE_PIXELS, MOST_PIXELS, input_size, dlib_models.library_version(), dlib_models.DIGESTS[dlib_models.DETECTOR]]
        self.digest = hashlib.sha256(json.dumps(["faces", *facts]).encode()).hexdigest()

    def unknown_phrases(self, prompt: Prompt) -> tuple[str, ...]:
        return unknown_words(prompt.phrases)

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        """Of each image, best first. All have the first phrase that means a face. Raises PromptMissing, PromptUnknown, MediaUnreadable."""
        phrase = _phrase(prompt)
        return [top_k(self._found(image, phrase), floor=floor, most=most) for image in images]

    def _found(self, image: Image, phrase: str) -> Iterator[Candidate]:
        for proposal, score in self._judged(image.pixels):
            box = proposal.box.clip(image.width, image.height) if proposal.side > 0 else None
            if box is not None:
                yield Candidate(box, phrase, score, score)

    def _judged(self, pixels: npt.NDArray[np.uint8]) -> Iterator[tuple[FaceProposal, float]]:
        """Each proposal with its score, 0..1."""
        picture = PIL.Image.fromarray(pixels)
        doubts = 0
        for each in self._proposals(picture.convert("L"), _scale(picture.width, picture.height, self.input_size)):
            score = 1 / (1 + math.exp(-2 * each.score))
            if each.score >= SURE:
                yield each, score
                continue
            doubts += 1
            agreed = doubts <= MOST_DOUBTS and self._is_confirmed(picture, each)
            yield each, max(score, CONFIRMED) if agreed else min(score, DOUBTED)

    def _proposals(self, grey: PIL.Image.Image, scale: float) -> list[FaceProposal]:
        """One for each face, best first. scale: of what is looked at, 1 for the picture as it is."""
        if scale < 1:
            grey = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))), PIL.Image.Resampling.BOX)
        found = []
        for top, shrunk, pixels in _views(grey):
            for each in self._look(pixels):
                x, y = each.x / shrunk / scale, (each.y / shrunk + top) / scale
                found.append(FaceProposal(x, y, each.side / shrunk / scale, each.score))
        return _without_doubles(found)

    def _look(self, grey: Grey) -> list[FaceProposal]:
        """In the pixels as they are, doubled once: its window has 80, faces of 40 are asked for."""
        with self._lock:
            squares, scores, _ = self._quick.run(grey, 1, LEAST)
        found = zip(squares, scores, strict=True)
        return [FaceProposal((s.left() + s.right() + 1) / 2, (s.top() + s.bottom() + 1) / 2, s.width(), score) for s, score in found]

    def _is_confirmed(self, picture: PIL.Image.Image, proposal: FaceProposal) -> bool:
        """Whether the network sees a face whose middle is in the square."""
        half = proposal.side * ASKED_WINDOW / 2
        corners = (round(proposal.x - half), round(proposal.y - half), round(proposal.x + half), round(proposal.y + half))
        shown = picture.crop(corners).resize((ASKED_SIDE, ASKED_SIDE), PIL.Image.Resampling.BILINEAR)
        with self._lock:
            seen = self._network(np.asarray(shown), 0)
        reach = ASKED_SIDE / ASKED_WINDOW / 2
        return any(each.confidence >= AGREED and _is_central(each.rect.center(), ASKED_SIDE / 2, reach) for each in seen)


def build(weights: str, *, device: str = "auto", precision: str = "auto", input_size: int | None = None) -> FaceDetector:
    """The detector. weights: a folder with its file, else the installed package's. device, precision: it runs on the CPU in float32.

    Raises WeightsMissing, ModelError.
    """
    return FaceDetector(weights, input_size=input_size)


def _phrase(prompt: Prompt) -> str:
    said = [each for each in prompt.phrases if any(map(str.isalnum, each))]
    if not said:
        raise PromptMissing(f"There is nothing to look for in {str(prompt)!r}.")
    known = next(filter(is_face, said), None)
    if known is None:
        refuse_others(said)
    return known or ""


def _scale(width: int, height: int, input_size: int | None) -> float:
    """Of what is looked at, 1 at most: as large as asked, and never more than MOST_PIXELS."""
    asked = 1.0 if input_size is None else input_size / min(width, height)
    return min(1.0, asked, math.sqrt(MOST_PIXELS / (width * height)))


def _views(grey: PIL.Image.Image) -> Iterator[tuple[int, float, Grey]]:
    """What is looked at: top (pixels of the picture), the scale of this view, its pixels. Of a large picture all of it, reduced, and its
    strips, so that memory stays flat."""
    size = grey.width * grey.height
    if size <= STRIP_PIXELS:
        yield 0, 1.0, np.asarray(grey)
        return
    shrunk = math.sqrt(WHOLE_PIXELS / size)
    small = (max(1, round(grey.width * shrunk)), max(1, round(grey.height * shrunk)))
    yield 0, shrunk, np.asarray(grey.resize(small, PIL.Image.Resampling.BOX))
    rows = max(2 * OVERLAP, STRIP_PIXELS // grey.width)
    count = 1 + max(0, -(-(grey.height - rows) // (rows - OVERLAP)))
    for number in range(count):
        top = round(number * max(0, grey.height - rows) / max(1, count - 1))
        yield top, 1.0, np.asarray(grey.crop((0, top, grey.width, min(grey.height, top + rows))))


def _without_doubles(found: Sequence[FaceProposal]) -> list[FaceProposal]:
    """Best first; of those that are one face the best."""
    kept: list[FaceProposal] = []
    for each in sorted(found, key=lambda one: (-one.score, one.x, one.y, one.side)):
        if all(each.overlap(other) < SAME for other in kept):
            kept.append(each)
    return kept


def _is_central(point: Any, middle: float, reach: float) -> bool:
    return bool(abs(point.x - middle) <= reach and abs(point.y - middle) <= reach)
