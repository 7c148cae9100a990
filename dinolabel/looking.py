"""Looks at many pictures, one bad one never costing the others, and writes down what it saw: JSON and annotated copies.

Knows files and the pipeline's answer; nothing of command lines or consoles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from vision.draw import draw
from vision.errors import DinolabelError, MediaError, RequestError
from vision.found import Found, shown
from vision.media import image_paths, open_image
from vision.types import Detection, Image

FORMAT = 1
KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
Ask = Callable[[Sequence[Image]], list[list[Detection]]]


@dataclass(frozen=True)
class Seen:
    """path: the file. image: None when it could not be opened. found: best first. error: why there is no answer, or None.

    suppressed: boxes left out because people keep deleting their like.
    """

    path: Path
    image: Image | None
    found: tuple[Detection, ...] = ()
    error: DinolabelError | None = None
    suppressed: int = 0

    @classmethod
    def of(cls, path: Path, image: Image, detections: Sequence[Detection]) -> Seen:
        kept = shown(detections)
        return cls(path, image, tuple(kept), suppressed=len(detections) - len(kept))


def pictures(path: Path, *, out: Path | None = None) -> list[Path]:
    """The pictures meant by a file or folder, sorted; those below `out` are left out, because we made them.

    Raises MediaError when there is no such file or no picture in the folder, RequestError when out would overwrite them.
    """
    found = image_paths(path)
    if out is not None:
        home = path if path.is_dir() else path.parent
        if out.resolve() == home.resolve():
            raise RequestError(f"{out} holds the pictures themselves.", hint="Name another folder after --out.")
        found = [each for each in found if not each.resolve().is_relative_to(out.resolve())]
    if not found:
        raise MediaError(f"There are no pictures in {path}.", hint="JPEG, PNG, WebP, HEIC, TIFF and a few more are looked for.")
    return found


def look(paths: Sequence[Path], ask: Ask, *, at_once: int) -> Iterator[Seen]:
    """Open, ask, answer in the order of the paths, `at_once` at a time. ask: gives the detections of each image."""
    for start in range(0, len(paths), at_once):
        opened = [_opened(path) for path in paths[start : start + at_once]]
        images = [each.image for each in opened if each.image is not None]
        try:
            answers = iter(ask(images) if images else [])
            yield from [each if each.image is None else Seen.of(each.path, each.image, next(answers)) for each in opened]
        except MediaError:
            yield from [_alone(each, ask) for each in opened]


def _opened(path: Path) -> Seen:
    try:
        return Seen(path, open_image(path))
    except MediaError as error:
        return Seen(path, None, error=error)


def _alone(seen: Seen, ask: Ask) -> Seen:
    """A file that is cut short is found out only when it is decoded, and then spoils its batch: each gets its own chance."""
    if seen.image is None:
        return seen
    try:
        return Seen.of(seen.path, seen.image, ask([seen.image])[0])
    except MediaError as error:
        return Seen(seen.path, None, error=error)


def annotate(seen: Seen, root: Path, out: Path, labels: Mapping[str, str]) -> Path:
    """Write the annotated copy below out, where the picture lies below root; the answer is its path. Raises MediaError."""
    if seen.image is None:
        raise MediaError(f"{seen.path.name} could not be opened.")
    target = out / shown_path(seen.path, root)
    if target.suffix.lower() not in KEPT_SUFFIXES:
        target = target.with_name(f"{target.name}.jpg")
    drawn = draw(seen.image.pixels, seen.found, lambda each: Found.of(each, labels).label)
    target.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(drawn).save(target, quality=92)
    return target


def shown_path(path: Path, root: Path) -> Path:
    """Relative to the folder that was named; the file's name when a file was."""
    return path.relative_to(root) if root.is_dir() else Path(path.name)


def entry(seen: Seen, root: Path, labels: Mapping[str, str], *, annotated: Path | None = None) -> dict[str, Any]:
    """One element of `images`: {"file", "width", "height", "annotated" or null, "found": [rows of vision.found], "suppressed",
    "remarks": [how it was read, where a person should know]}."""
    return {
        "file": shown_path(seen.path, root).as_posix(),
        "width": seen.image.width if seen.image else None,
        "height": seen.image.height if seen.image else None,
        "annotated": None if annotated is None else str(annotated),
        "found": [Found.of(each, labels).row() for each in seen.found],
        "suppressed": seen.suppressed,
        "remarks": list(seen.image.remarks) if seen.image else [],
    }


def failure(seen: Seen, root: Path) -> dict[str, str]:
    """One element of `failed`: {"file", "error", "hint"}."""
    hint = seen.error.hint if seen.error else ""
    return {"file": shown_path(seen.path, root).as_posix(), "error": str(seen.error), "hint": hint}
