"""Detections of many pictures, one bad one never costing the others, and writes down what it saw: JSON and annotated copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import PIL.Image

from dinolabel.detect.inputs import Input
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import DinolabelError, MediaError, StudioError
from dinolabel.vision.images.annotation import draw
from dinolabel.vision.proposals.labelled_box import LabelledBox, without_suppressed
from dinolabel.vision.types import Detection, Image, Pixels

FORMAT = 1
T = TypeVar("T")
Ask = Callable[[Sequence[Image]], list[list[Detection]]]
Fetch = Callable[[str], Path]


@dataclass(frozen=True)
class ImageDetections:
    """input: what was named. image: None when it could not be opened. found: best first. error: why there is no answer, or None.

    suppressed: boxes left out because people keep deleting their like.
    """

    input: Input
    image: Image | None
    found: tuple[Detection, ...] = ()
    error: DinolabelError | None = None
    suppressed: int = 0

    def without_pixels(self) -> ImageDetections:
        """The same, holding no decoded picture."""
        return self if self.image is None else replace(self, image=replace(self.image, load=_gone))

    @classmethod
    def of(cls, each: Input, image: Image, detections: Sequence[Detection]) -> ImageDetections:
        kept = without_suppressed(detections)
        return cls(each, image, tuple(kept), suppressed=len(detections) - len(kept))


def detect_images(
    inputs: Sequence[Input], ask: Ask, *, at_once: int, fetch: Fetch | None = None, workers: int = 1
) -> Iterator[ImageDetections]:
    """Open, ask, answer in the order of the inputs. ask: gives the detections of each image. fetch: as Input.file."""
    return (seen for _, seen in detect_and_finish(inputs, ask, lambda seen: seen, at_once=at_once, fetch=fetch, workers=workers))


def detect_and_finish(
    inputs: Sequence[Input], ask: Ask, finish: Callable[[ImageDetections], T], *, at_once: int, workers: int, fetch: Fetch | None = None
) -> Iterator[tuple[ImageDetections, T]]:
    """The same, and what `finish` makes of each, in the order of the inputs.

    workers: threads, each of which opens, asks and finishes `at_once` pictures at a time, so that one decodes or draws while another
    computes; as many pictures are in memory as that makes. Each picture is decoded once.
    """
    parts = [inputs[start : start + at_once] for start in range(0, len(inputs), at_once)]

    def whole(part: Sequence[Input]) -> list[tuple[ImageDetections, T]]:
        return [(seen.without_pixels(), finish(seen)) for seen in _look(part, ask, fetch)]

    pool = ThreadPoolExecutor(workers, thread_name_prefix="pictures")
    try:
        for done in pool.map(whole, parts):
            yield from done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _look(part: Sequence[Input], ask: Ask, fetch: Fetch | None) -> list[ImageDetections]:
    opened = [_open(each, fetch) for each in part]
    images = [each.image for each in opened if each.image is not None]
    try:
        answers = iter(ask(images) if images else [])
        return [each if each.image is None else ImageDetections.of(each.input, each.image, next(answers)) for each in opened]
    except MediaError:
        return [_alone(each, ask) for each in opened]


def _open(each: Input, fetch: Fetch | None) -> ImageDetections:
    try:
        image = open_image(each.file(fetch))
        return ImageDetections(each, replace(image, load=cache(image.load)))
    except (MediaError, StudioError) as error:
        return ImageDetections(each, None, error=error)


def _alone(seen: ImageDetections, ask: Ask) -> ImageDetections:
    """A file that is cut short is found out only when it is decoded, and then spoils its batch: each gets its own chance."""
    if seen.image is None:
        return seen
    try:
        return ImageDetections.of(seen.input, seen.image, ask([seen.image])[0])
    except MediaError as error:
        return ImageDetections(seen.input, None, error=error)


def _gone() -> Pixels:
    raise MediaError("The picture was let go of.")


def annotate(
    seen: ImageDetections,
    out: Path,
    labels: Mapping[str, str],
    names: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Path:
    """Write the annotated copy below out; the answer is its path. labels, names: as LabelledBox.of takes them; colours: label -> #rrggbb.

    Raises MediaError.
    """
    if seen.image is None:
        raise MediaError(f"{seen.input.name} could not be opened.")
    target = out / seen.input.copy
    drawn = draw(seen.image.pixels, seen.found, lambda each: LabelledBox.of(each, labels, names).label, colours=colours)
    target.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(drawn).save(target, quality=92)
    return target


def entry(
    seen: ImageDetections, labels: Mapping[str, str], names: Mapping[str, str] | None = None, *, annotated: Path | None = None
) -> dict[str, Any]:
    """One element of `images`: {"file", "width", "height", "annotated" or null, "found": [rows of a LabelledBox], "suppressed",
    "remarks": [how it was read, where a person should know]}."""
    return {
        "file": seen.input.name,
        "width": seen.image.width if seen.image else None,
        "height": seen.image.height if seen.image else None,
        "annotated": None if annotated is None else str(annotated),
        "found": [LabelledBox.of(each, labels, names).row() for each in seen.found],
        "suppressed": seen.suppressed,
        "remarks": list(seen.image.remarks) if seen.image else [],
    }


def failure(each: Input, error: DinolabelError | None) -> dict[str, str]:
    """One element of `failed`: {"file", "error", "hint"}."""
    return {"file": each.name, "error": str(error), "hint": error.hint if error else ""}
