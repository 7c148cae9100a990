"""What a student learns from: pictures with boxes, each with what is known of it; only values, no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dinolabel.training.distillation.pictures import LabelledPicture
from dinolabel.training.evaluation.boxes import array_of, overlaps
from dinolabel.vision.types import Box, Detection

SURE, DOUBTFUL = 0.35, 0.15  # the teacher's score from which its box is taken for one, and below which for none; between, neither
CORRECTED = 2.0  # times as often as a picture in which the teacher was right
AGREES = 0.7  # overlap above which a person left a box as it was, more or less

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """picture: where the pixels are. boxes: (M, 4) xyxy shares of the picture; classes: (M,) columns. ignored: (K, 4) where nobody knows.

    refused: (R, 4) what the teacher found and people did not keep. weight: how often it is shown. approved: by a person.
    """

    picture: LabelledPicture
    boxes: Floats
    classes: npt.NDArray[np.int64]
    ignored: Floats
    refused: Floats
    weight: float
    approved: bool


def approved_example(picture: LabelledPicture, labels: Sequence[str], found: Sequence[Detection]) -> Example:
    """A picture that people answered. found: what the teacher is served with for it."""
    truth = array_of(picture.boxes)
    said = array_of([each.box for each in found])
    close = overlaps(said, truth)
    refused = said[close.max(axis=1) < 0.5] if len(truth) else said
    agreed = len(found) == len(picture.boxes) and (not len(truth) or bool((close.max(axis=0) >= AGREES).all()))
    columns = np.array([labels.index(each) for each in picture.labels], np.int64)
    weight = 1.0 if agreed else CORRECTED
    return Example(
        picture, _shares(truth, picture), columns, _shares(array_of(picture.crowds), picture), _shares(refused, picture), weight, True
    )


def proposed_example(picture: LabelledPicture, labels: Sequence[str], candidates: Sequence[tuple[Box, str, float]]) -> Example:
    """A picture that nobody answered: what the teacher is sure of counts as there. candidates: box, label, score."""
    sure = [(box, label) for box, label, score in candidates if score >= SURE]
    doubtful = [box for box, _, score in candidates if DOUBTFUL <= score < SURE]
    columns = np.array([labels.index(label) for _, label in sure], np.int64)
    return Example(
        picture, _shares(array_of([box for box, _ in sure]), picture), columns, _shares(array_of(doubtful), picture),
        np.zeros((0, 4), np.float32), 1.0, False,
    )  # fmt: skip


def _shares(boxes: npt.NDArray[np.float64], picture: LabelledPicture) -> Floats:
    return np.asarray(boxes / np.array([picture.width, picture.height] * 2), np.float32)
