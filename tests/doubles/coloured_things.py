"""A world simple enough to check by eye: white pictures with coloured rectangles, a detector that finds them, an embedder that sees colour.

The models are whole implementations of the seams, not mocks: the real Pipeline, Bundle and Store run on them.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.errors import MediaUnavailable
from dinolabel.vision.heads.prototype import build
from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.types import Box, Crop, CropPolicy, Embeddings, Image, Prompt

RED, GREEN, BLUE, YELLOW = (230, 30, 30), (30, 200, 30), (30, 30, 230), (220, 220, 30)
Colour = tuple[int, int, int]


def picture(path: Path, *things: tuple[Colour, tuple[int, int, int, int]], size: int = 96) -> Path:
    """A white PNG with one rectangle per colour (x1, y1, x2, y2)."""
    pixels = np.full((size, size, 3), 255, np.uint8)
    for colour, (x1, y1, x2, y2) in things:
        pixels[y1:y2, x1:x2] = colour
    # A grey level in the corner makes every file's bytes its own, as photographs' are.
    pixels[0, 0] = 255 - int(hashlib.sha256(path.name.encode()).hexdigest()[:2], 16) // 8
    PIL.Image.fromarray(pixels).save(path)
    return path


def scene(folder: Path, number: int) -> Path:
    """Two things, at places that depend on the number: red above green."""
    x = 8 + (number * 7) % 40
    return picture(folder / f"scene{number:03}.png", (RED, (x, 8, x + 24, 36)), (GREEN, (x, 52, x + 28, 84)))


class ThingDetector:
    """One candidate per colour, first phrase of the prompt. seconds: a pass takes per picture.

    passes: pictures it looked at; sizes: of each pass.
    """

    name, weights, device, precision = "things", "things", "cpu", "float32"

    def __init__(self, digest: str = "d1", seconds: float = 0.0) -> None:
        self.digest, self.seconds, self.passes = digest, seconds, 0
        self.looking: Callable[[], None] = lambda: None
        self.sizes: list[int] = []

    @contextmanager
    def held(self) -> Iterator[threading.Event]:
        """Passes begin and do not end before the block does. The event: that one has begun."""
        entered, leave = threading.Event(), threading.Event()
        before = self.looking

        def look() -> None:
            entered.set()
            leave.wait(60)

        self.looking = look
        try:
            yield entered
        finally:
            self.looking = before
            leave.set()

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        self.looking()
        self.passes += len(images)
        self.sizes.append(len(images))
        time.sleep(self.seconds * len(images))
        return [self._of(image.pixels, prompt.phrases[0]) for image in images]

    def _of(self, pixels: np.ndarray, phrase: str) -> list[Candidate]:
        colourful = pixels.max(axis=2).astype(int) - pixels.min(axis=2) > 60
        found = []
        for rank, colour in enumerate(np.unique(pixels[colourful].reshape(-1, 3), axis=0)):
            rows, columns = np.nonzero((pixels == colour).all(axis=2))
            box = Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
            found.append(Candidate(box, phrase, 0.9 - 0.01 * rank, 0.9 - 0.01 * rank))
        return found


class ColourSense:
    """The mean colour of the middle of a crop, as a unit vector."""

    name, digest, dim = "colour-small", "e1", 3
    weights, device, precision = "colours", "cpu", "float32"

    def embed(self, crops: Sequence[Crop]) -> Embeddings:
        return np.stack([_direction(each.pixels) for each in crops]) if crops else np.zeros((0, 3), np.float32)


def _direction(pixels: np.ndarray) -> np.ndarray:
    third = max(1, pixels.shape[0] // 3)
    mean = pixels[third:-third, third:-third].reshape(-1, 3).mean(axis=0) - 25.0
    return (mean / np.linalg.norm(mean)).astype(np.float32)


def bundle(names: Mapping[str, Colour], *, created_at: str = "2026-11-22T12:00:00+00:00", trained_until: str = "") -> Bundle:
    """A head that calls each colour by its name, and everything else unknown."""
    rows = np.stack([_direction(np.full((9, 9, 3), colour, np.uint8)) for colour in names.values()])
    head = build().fit(rows, list(names))
    return Bundle(
        labels=head.labels,
        head_name="prototype",
        arrays=head.arrays(),
        temperature=1.0,
        accept_threshold=0.8,
        distance_threshold=0.1,
        references=rows,
        reference_labels=tuple(names),
        reference_ids=tuple(names),
        embedder_name=ColourSense.name,
        embedder_digest=ColourSense.digest,
        policy=CropPolicy(),
        created_at=created_at,
        trained_on=dict.fromkeys(names, 1),
        trained_until=trained_until,
    )


class FolderMedia:
    """Resolves a task's URL to a file of that name in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, url: str, *, task: int | None = None) -> Path:
        path = self.folder / url.rpartition("/")[2]
        if not path.exists():
            raise MediaUnavailable(f"{url} is not there: 404.")
        return path
