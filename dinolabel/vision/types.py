"""The values that flow through every room: images, boxes, detections, answers.

Frozen, validated at birth, never mutated. Boxes are pixels, xyxy, float; percent and cxcywh live elsewhere.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dinolabel.vision.errors import PromptMissing

Pixels = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]

QUARTER = 0.25
PIXEL = 0.999
"""The least width and height of a box: a pixel, but for the last decimals, which differ on each trip through percent and files."""


@dataclass(frozen=True, slots=True)
class Image:
    """One upright picture, decoded when its pixels are asked for.

    sha256: hex digest of the file's bytes (of the pixels for an array), so equal files share caches.
    width, height: pixels, after EXIF rotation.
    frame: index of the frame when the file is a video, else None.
    decoding: names the rules its pixels were made by, where an earlier version gave others for the same bytes; else empty.
    remarks: what a person should know of how it was read, each a sentence's end ("has 3 pages: page 1 was used"); what only its pixels
    can tell is there once they were asked for.
    """

    sha256: str
    width: int
    height: int
    load: Callable[[], Pixels] = field(repr=False, compare=False)
    frame: int | None = None
    decoding: str = ""
    remarks: list[str] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def from_array(cls, pixels: Pixels) -> Image:
        """Wrap (H, W, 3) uint8 RGB pixels. Raises ValueError for any other shape or type."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
        frozen = pixels.copy()
        frozen.flags.writeable = False
        digest = hashlib.sha256(repr(frozen.shape).encode() + frozen.tobytes()).hexdigest()
        return cls(digest, frozen.shape[1], frozen.shape[0], lambda: frozen)

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) uint8 RGB. Decodes each time; hold on to it while you need it. Raises MediaUnreadable."""
        return self.load()

    @property
    def key(self) -> str:
        """What caches know this image by."""
        return image_key(self.sha256, self.frame, self.decoding)


def image_key(sha256: str, frame: int | None, decoding: str = "") -> str:
    """What caches know an image by: Image.key, for those who have only its parts."""
    return sha256 + ("" if frame is None else f"#{frame}") + (f"~{decoding}" if decoding else "")


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels, xyxy, float, not empty. Raises ValueError otherwise."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.xyxy)):
            raise ValueError(f"expected finite corners, got {self.xyxy}")
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError(f"expected x1 < x2 and y1 < y2, got {self.xyxy}")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x1, self.y1, self.x2, self.y2)

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return self.width * self.height

    def clip(self, width: int, height: int) -> Box | None:
        """The part inside a width x height image, or None when less than one pixel of a side is left."""
        x1, x2 = (min(max(x, 0.0), float(width)) for x in (self.x1, self.x2))
        y1, y2 = (min(max(y, 0.0), float(height)) for y in (self.y1, self.y2))
        return Box(x1, y1, x2, y2) if x2 - x1 >= PIXEL and y2 - y1 >= PIXEL else None

    def quantise(self) -> Box:
        """On the quarter-pixel grid, so that a trip through percent and back hits the same cache key."""
        x1, y1, x2, y2 = (round(each / QUARTER) * QUARTER for each in self.xyxy)
        return Box(x1, y1, max(x2, x1 + QUARTER), max(y2, y1 + QUARTER))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        inter = width * height
        return inter / (self.area + other.area - inter)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to look for: lower-case phrases, in order, each once."""

    phrases: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.phrases:
            raise PromptMissing("There is nothing to look for: the prompt is empty.")

    @classmethod
    def parse(cls, text: str) -> Prompt:
        """Split on full stops, commas, semicolons and line ends. Raises PromptMissing when nothing is left."""
        return cls.of(re.split(r"[.,;\n]+", text))

    @classmethod
    def of(cls, phrases: Iterable[str]) -> Prompt:
        """Normalise and de-duplicate phrases. Raises PromptMissing when nothing is left."""
        clean = (" ".join(each.lower().split()) for each in phrases)
        return cls(tuple(dict.fromkeys(each for each in clean if each)))

    def __str__(self) -> str:
        return ". ".join(self.phrases) + "."


@dataclass(frozen=True, slots=True)
class Reference:
    """An approved crop that an answer leans on. id: as the bundle keeps it, `task/annotation/region/view`. distance: cosine, 0..2."""

    id: str
    label: str
    distance: float

    @property
    def task(self) -> str:
        """The task the crop was approved in, as Label Studio numbers it."""
        return self.id.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Named:
    """The head knows this one. confidence: calibrated probability, 0..1. because: the approved crops of the name most like it."""

    label: str
    confidence: float
    because: tuple[Reference, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The head does not know it: it keeps its generic label. nearest: the best guess, for a person to see; because: as of a name."""

    nearest: str | None = None
    confidence: float = 0.0
    because: tuple[Reference, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """People keep deleting such boxes."""

    confidence: float = 0.0


Answer = Named | Unknown | Suppressed


@dataclass(frozen=True, slots=True)
class Detection:
    """A box that matched a phrase. score: the detector's, 0..1, not calibrated. answer: the head's, if one was asked."""

    box: Box
    phrase: str
    score: float
    answer: Answer | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"expected a score in 0..1, got {self.score}")

    def with_answer(self, answer: Answer) -> Detection:
        return replace(self, answer=answer)


@dataclass(frozen=True, slots=True)
class CropPolicy:
    """How a box becomes a crop; recorded in the bundle, so that training and serving cut alike.

    margin: context added on all sides together, as a share of the longer side (0.2 is a documented peer default).
    max_side: crops larger than this are shrunk to it, pixels.
    min_side: boxes whose shorter side is below this are never named, pixels.
    """

    margin: float = 0.2
    max_side: int = 448
    min_side: int = 12


@dataclass(frozen=True, slots=True)
class Crop:
    """Square (S, S, 3) uint8 RGB pixels cut around a box."""

    pixels: Pixels = field(repr=False)

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"expected (S, S, 3) uint8, got {shape} {self.pixels.dtype}")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """box: least score of a box. text: least mean token score of its phrase. nms_iou: overlap at which boxes are one."""

    box: float = 0.3
    text: float = 0.25
    nms_iou: float = 0.6
