"""Human faces with dlib, by weights from the package registry: no hub is needed.   DINOLABEL_EMBEDDER=faces

The face is looked for again in its crop: a box that a person drew, or another detector found, differs from the one that the descriptor was
trained with, and with a box that is only a little off it takes one person for another.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from dinolabel.vision.embedders.faces.centre import CENTRE
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.types import Crop, Embeddings

WEIGHTS = "package"
MARGIN = 0.8  # of the crops, read without running this file: with less, a box that is a fifth off cuts the face
RULES = 1  # raise it when the way from crop to row changes, so that caches are made anew
SIDE = 300  # pixels of a crop in which the face is looked for
LEAST = -0.3  # of the quick detector's score: that there is a face, a person or a detector has said already
LEAST_INSIDE = 0.3  # of the face, in a box: less is a neighbour's
UPRIGHT = 1.3  # height of a box round a face, in sides of the quick detector's square, which ends at the brows
CHIP = 150  # pixels of the upright face that the network is shown
UNSEEN = 0.05  # what the last number of a row is, before it is made unit, where no face was seen
NUMBERS = 128


@dataclass(frozen=True, slots=True)
class FaceSquare:
    """left, top, side: pixels of the crop at SIDE. seen: whether a face was found there, and not just taken for granted."""

    left: float
    top: float
    side: float
    seen: bool = True

    @property
    def distance(self) -> float:
        """From its middle to the crop's, the greater of both directions, pixels."""
        return max(abs(self.left + self.side / 2 - SIDE / 2), abs(self.top + self.side / 2 - SIDE / 2))

    @property
    def share_inside(self) -> float:
        """How much of it lies within the box's longer side of the crop's middle, 0..1."""
        low, high = SIDE / 2 - INSIDE, SIDE / 2 + INSIDE
        wide, tall = (max(0.0, min(start + self.side, high) - max(start, low)) for start in (self.left, self.top))
        return wide * tall / self.side**2


INSIDE = SIDE / (1 + MARGIN) / 2  # as far as that from the middle lies the box's longer side
GIVEN = FaceSquare(SIDE / 2 - INSIDE / UPRIGHT, SIDE / 2 + INSIDE - 2 * INSIDE / UPRIGHT, 2 * INSIDE / UPRIGHT, seen=False)
"""What is taken where no face is seen: the lower part of the box, as a person frames a face."""


class FaceEmbedder:
    """An `Embedder` (dinolabel/vision/protocols.py) of human faces: 128 numbers less their middle, and one that says whether a face was
    seen in the crop. Cosines of two strangers lie about 0.1, of one person on two photos about 0.8.

    Attributes: plug (the name by which a bundle finds it again, whatever embedder the settings name).
    """

    name, weights, device, precision, plug = dlib_models.FACES, dlib_models.FACES, "cpu", "float32", dlib_models.FACES
    dim = NUMBERS + 1

    def __init__(self, weights: str) -> None:
        files = dlib_models.find_files("embedder", weights)
        dlib = self._dlib = dlib_models.import_library()
        self._quick, self._lock = dlib.get_frontal_face_detector(), threading.Lock()  # they keep what they are at in themselves
        self._points = dlib.shape_predictor(str(files[dlib_models.LANDMARKS]))
        self._network = dlib.face_recognition_model_v1(str(files[dlib_models.DESCRIPTOR]))
        facts = [RULES, MARGIN, CENTRE, dlib_models.library_version(), *(dlib_models.DIGESTS[name] for name in sorted(files))]
        self.digest = hashlib.sha256(json.dumps(["faces", *facts]).encode()).hexdigest()

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        """(N, dim) float32, rows of unit norm."""
        rows = np.zeros((len(crops), self.dim), np.float64)
        for row, crop in zip(rows, crops, strict=True):
            pixels = np.asarray(PIL.Image.fromarray(crop.pixels).resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR))
            square = self._find(pixels)
            row[:NUMBERS], row[NUMBERS] = self._describe(pixels, square) - np.asarray(CENTRE), 0.0 if square.seen else UNSEEN
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    @staticmethod
    def count_unseen(rows: Embeddings) -> int:
        """In how many crops no face was seen: what their rows say rests on the box alone."""
        return int(np.count_nonzero(rows[:, NUMBERS] > 0))

    def _find(self, pixels: npt.NDArray[np.uint8]) -> FaceSquare:
        """The face whose middle is nearest to the crop's, of those that lie in the box to some extent."""
        grey = np.asarray(PIL.Image.fromarray(pixels).convert("L"))
        with self._lock:
            squares, _, _ = self._quick.run(grey, 0, LEAST)
        seen = [FaceSquare(each.left(), each.top(), each.width()) for each in squares]
        inside = [each for each in seen if each.share_inside >= LEAST_INSIDE]
        return min(inside, key=lambda each: (each.distance, each.left, each.top), default=GIVEN)

    def _describe(self, pixels: npt.NDArray[np.uint8], square: FaceSquare) -> npt.NDArray[np.float64]:
        """(128,) of the face, turned upright by its eyes and nose."""
        left, top, end = round(square.left), round(square.top), round(square.side) - 1
        with self._lock:
            points: Any = self._points(pixels, self._dlib.rectangle(left, top, left + end, top + end))
            return np.asarray(self._network.compute_face_descriptor(self._dlib.get_face_chip(pixels, points, CHIP)), np.float64)


def build(weights: str, *, device: str = "auto", precision: str = "auto") -> FaceEmbedder:
    """The embedder. weights: a folder with its files, else the installed package's. device, precision: it runs on the CPU in float32.

    Raises WeightsMissing, ModelError.
    """
    return FaceEmbedder(weights)
