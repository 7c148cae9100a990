"""What the image tab does: look at one picture, with or without a trained head. Plain functions, no layout.

Knows the pipeline and the store of bundles; nothing of Gradio.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from vision.bundle import Bundle
from vision.draw import draw
from vision.errors import MediaUnavailable, RequestError
from vision.found import Found
from vision.media import open_image
from vision.pipeline import Pipeline
from vision.store import Store
from vision.types import Box, Detection, Image, Named, Pixels, Prompt, Thresholds

BOXES_ONLY = ""
SHOWN_SIDE = 1600  # pixels; a browser shows no more, and a slider must not wait for the encoding of a camera's full size
HEADERS = ["label", "phrase", "score", "confidence", "best guess"]
WELCOME = "Add a picture, say what to look for, press **Find**."
READY = "Press **Find** to look at this picture."
NO_PROMPT = "Now say what to look for, for example `cat face. dog face`, and press **Find**."


@dataclass(frozen=True)
class Look:
    """picture: annotated, or None. table: rows under HEADERS. found: JSON. status: Markdown, what came out or what to do next."""

    picture: Pixels | None
    table: list[list[str]]
    found: list[dict[str, Any]]
    status: str


class ImageTab:
    """One pipeline, which may be slow: callers see to it that one looks at a time."""

    def __init__(self, pipeline: Pipeline, store: Store) -> None:
        self._pipeline = pipeline
        self._store = store

    def look(self, path: str | None, prompt: str, box: float, text: float, version: str | None) -> Look:
        """path: the picture's file. prompt: phrases. box, text: thresholds, 0..1. version: BOXES_ONLY or `project/bundle id`.

        Raises MediaError, PromptMissing, ModelError, RequestError.
        """
        if not path:
            raise MediaUnavailable("There is no picture yet.", hint="Upload one, paste one, or use the camera.")
        words = Prompt.parse(prompt or "")
        began = time.perf_counter()
        image = _opened(path)
        bundle = self._bundle(version or BOXES_ONLY)
        (detections,) = self._pipeline.run([image], words, bundle, Thresholds(box, text, self._pipeline.thresholds.nms_iou))
        seconds = time.perf_counter() - began
        status = self._found_nothing(image, words, box) if not detections else _counted(detections, seconds)
        found = [Found.of(each) for each in detections]
        return Look(_annotated(path, detections), [_line(each) for each in found], [each.row() for each in found], status)

    def again(self, path: str | None, prompt: str, box: float, text: float, version: str | None) -> Look:
        """As look, for a slider that was moved or a picture that was changed: never a forward pass of the detector.

        Where one would be needed, it says what to do next instead of complaining.
        """
        if not path:
            return Look(None, [], [], WELCOME)
        if not (prompt or "").strip(" .,;\n"):
            return Look(_annotated(path, []), [], [], NO_PROMPT)
        if not self._pipeline.knows(_opened(path), prompt):
            return Look(_annotated(path, []), [], [], READY)
        return self.look(path, prompt, box, text, version)

    def versions(self) -> list[tuple[str, str]]:
        """(words, version) for the picker: boxes only, then the heads of each project, newest first."""
        choices = [("Boxes only", BOXES_ONLY)]
        for project in self._store.projects():
            wanted = self._store.wanted(project)
            for entry in {each.id: each for each in reversed(self._store.history(project))}.values():
                serving = " · serving" if entry.id == wanted else ""
                choices.append((f"Project {project} · {', '.join(entry.labels)} · {entry.id[:6]}{serving}", f"{project}/{entry.id}"))
        return choices

    def _bundle(self, version: str) -> Bundle | None:
        if version == BOXES_ONLY:
            return None
        project, slash, bundle_id = version.partition("/")
        if not slash:
            raise RequestError(f"There is no version {version!r}.", hint="Choose one from the list.")
        return self._store.get(project, bundle_id)

    def _found_nothing(self, image: Image, prompt: Prompt, box: float) -> str:
        """What to try, from what the detector proposed below the thresholds: from the cache, so it costs nothing."""
        (candidates,) = self._pipeline.candidates([image], prompt)
        if not candidates:
            return "Nothing like that is in the picture. Try other words: a plain noun in English works best."
        best = candidates[0]
        if best.score < box:
            return f"Nothing scores {box:.2f}. The best box, `{best.phrase}`, has {best.score:.2f}: lower the box threshold to see it."
        return f"`{best.phrase}` scores {best.score:.2f}, but its words match weakly: lower the text threshold to see it."


def _counted(detections: Sequence[Detection], seconds: float) -> str:
    named = sum(isinstance(each.answer, Named) for each in detections)
    names = f" · {named} named" if any(each.answer for each in detections) else ""
    took = f"{seconds:.1f} s" if seconds >= 0.1 else "at once"
    return f"**{len(detections)} found**{names} · {took}"


def _line(found: Found) -> list[str]:
    confidence = "–" if found.confidence is None else f"{found.confidence:.2f}"
    return [found.label, found.phrase, f"{found.score:.2f}", confidence, found.guess or "–"]


@lru_cache(maxsize=8)
def _opened(path: str) -> Image:
    return open_image(Path(path))


@lru_cache(maxsize=4)
def _shown(path: str) -> Pixels:
    """The picture at the size it is shown at. Gradio keeps each upload under a path of its own, so a path stays true."""
    picture = PIL.Image.fromarray(_opened(path).pixels)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), PIL.Image.Resampling.BOX)
    return np.asarray(picture)


def _annotated(path: str, detections: Sequence[Detection]) -> Pixels:
    pixels, image = _shown(path), _opened(path)
    scale = pixels.shape[1] / image.width
    scaled = [replace(each, box=Box(*(corner * scale for corner in each.box.xyxy))) for each in detections]
    return draw(pixels, scaled, lambda each: Found.of(each).label)
