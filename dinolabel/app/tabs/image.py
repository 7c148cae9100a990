"""What the image tab does: look at pictures, with or without a trained head. Plain functions, no layout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import PIL.Image

from dinolabel.app.common import display
from dinolabel.app.common import format as told
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import DinolabelError, MediaError, MediaUnavailable, RequestError
from dinolabel.vision.images.colours import assign_colours
from dinolabel.vision.proposals.labelled_box import without_suppressed as wanted
from dinolabel.vision.types import Detection, Image, Named, Pixels, Prompt, Thresholds, Unknown

ProjectColours = Callable[[str], Mapping[str, str]]

BOXES_ONLY = ""
OWN = "model"
LATEST = "latest"
WELCOME = "Add a picture, say what to look for, press **Find**."
READY = "Press **Find** to look at this picture."
NO_PROMPT = "Now say what to look for, for example `cat face, dog face`, and press **Find**."


def is_complete(path: str | None, prompt: str | None) -> bool:
    """Whether there is a picture, and something to look for in it."""
    return bool(path) and bool((prompt or "").strip(" .,;\n"))


@dataclass(frozen=True)
class ImageRequest:
    """What a person set. prompt: phrases. box, text: thresholds, 0..1. version: BOXES_ONLY, OWN (the exported model's own head),
    `project/bundle id` or `project/latest`.

    smallest: pixels; whose shorter side is below this is not named. tiles: look at overlapping tiles too, for many small things.
    """

    prompt: str
    box: float = 0.3
    text: float = 0.25
    version: str | None = BOXES_ONLY
    smallest: float = 0
    tiles: bool = False

    @property
    def words(self) -> Prompt:
        """Raises PromptMissing."""
        return Prompt.parse(self.prompt or "")


@dataclass(frozen=True)
class ImageResult:
    """picture: annotated, or None. table: rows under told.HEADERS. found: JSON. status: Markdown, what came out or what to do next."""

    picture: Pixels | None
    table: list[list[str]]
    found: list[dict[str, Any]]
    status: str


class ImageTab:
    """Passes of the detector are taken in turn with all others; what a slider needs is in the cache and waits for nobody."""

    def __init__(self, sight: ModelHandle, store: BundleStore, project_colours: ProjectColours = lambda project: {}) -> None:
        """project_colours: label -> #rrggbb, as Label Studio shows a project's labels; empty where that is not known."""
        self._sight = sight
        self._store = store
        self._project_colours = project_colours

    def predict(self, path: str | None, ask: ImageRequest) -> ImageResult:
        """path: the picture's file. Raises MediaError, PromptMissing, ModelError, RequestError."""
        began = time.perf_counter()
        image, detections, bundle = self.detections(path, ask)
        pipeline = self._sight.pipeline(tiles=ask.tiles)
        names = bundle.rank(pipeline.embed(image, [each.box for each in detections], bundle)) if bundle else [[] for _ in detections]
        seconds = time.perf_counter() - began
        if detections:
            status = told.count_sentence(detections, seconds)
        else:
            (candidates,) = pipeline.candidates([image], ask.words)
            status = told.nothing_sentence(candidates, ask.box, weights=pipeline.detector.weights)
        rows = list(zip(detections, names, strict=True))
        labels = self._sight.labels
        picture = display.annotate(str(path), detections, labels, self.colours(ask.version, ask.words))
        return ImageResult(picture, [told.line(*each, labels) for each in rows], [told.row(*each, labels) for each in rows], status)

    def refresh_from_cache(self, path: str | None, ask: ImageRequest) -> ImageResult:
        """As look, for a slider that was moved or a picture that was changed: never a forward pass of the detector.

        Where one would be needed, it says what to do next instead of complaining.
        """
        if not path:
            return ImageResult(None, [], [], WELCOME)
        if not is_complete(path, ask.prompt):
            return ImageResult(display.annotate(path, []), [], [], NO_PROMPT)
        if self._sight.problem or not self._sight.pipeline(tiles=ask.tiles).is_cached(display.open_preview(path), ask.prompt):
            return ImageResult(display.annotate(path, []), [], [], READY)
        return self.predict(path, ask)

    def predict_all(self, paths: Sequence[str], ask: ImageRequest) -> Iterator[tuple[str, ImageResult | DinolabelError]]:
        """Each picture in turn; one that fails is answered with its error. Raises what no picture is to blame for."""
        for path in paths:
            try:
                yield path, self.predict(path, ask)
            except MediaError as error:
                yield path, error

    def detections(self, path: str | None, ask: ImageRequest) -> tuple[Image, list[Detection], Bundle | None]:
        """The picture, what is on it with the answers that the page shows, and the head that gave them. Raises as look."""
        if not path:
            raise MediaUnavailable("There is no picture yet.", hint="Upload one, paste one, or use the camera.")
        words, pipeline = ask.words, self._sight.pipeline(tiles=ask.tiles)
        pipeline.check_prompt(words)
        image, bundle = display.open_preview(path), self.bundle(ask.version)
        limits = Thresholds(ask.box, ask.text, pipeline.thresholds.nms_iou)
        with nullcontext() if pipeline.is_cached(image, words) else self._sight.passes.acquire():
            (detections,) = pipeline.predict([image], words, bundle, limits, labels=self._sight.labels or None)
        names = self.names(ask.version)
        return image, [_renamed(_unless_small(each, ask.smallest), names) for each in wanted(detections)], bundle

    def light(self, path: str, ask: ImageRequest, row: int) -> Pixels:
        """The picture as it is shown, with the box of one row lit and the rest dim. Raises as predict."""
        _, detections, _ = self.detections(path, ask)
        return display.annotate(path, detections, self._sight.labels, self.colours(ask.version, ask.words), lit=row)

    def full_size(self, path: str | None, ask: ImageRequest) -> tuple[str, PIL.Image.Image]:
        """The picture's path, and the picture at its own size with what was found. Raises as look."""
        _, detections, _ = self.detections(path, ask)
        colours = self.colours(ask.version, ask.words)
        return str(path), display.annotate_full_size(str(path), detections, self._sight.labels, colours)

    def versions(self) -> list[tuple[str, str]]:
        """(words, version) for the picker: boxes only, then of each project the one that serves, and its heads, newest first."""
        choices = [("Boxes only", BOXES_ONLY)]
        if self._sight.own is not None:
            choices.insert(0, (f"This model · {', '.join(self._sight.own.labels)}", OWN))
        for project in self._store.projects():
            wanted = self._store.desired(project)
            choices.append((f"Project {project} · whichever serves", f"{project}/{LATEST}"))
            for entry in reversed(self._store.heads(project)):
                serving = " · serving" if entry.id == wanted else ""
                choices.append((f"Project {project} · {', '.join(entry.labels)} · {entry.id[:6]}{serving}", f"{project}/{entry.id}"))
        return choices

    @property
    def phrases(self) -> str:
        """What an exported model looks for; empty where a person says it."""
        return ". ".join(self._sight.labels)

    @property
    def usual(self) -> str:
        """The version that is chosen at first."""
        return OWN if self._sight.own is not None else BOXES_ONLY

    def names(self, version: str | None) -> Mapping[str, str] | None:
        """What the head of a version says -> label, as LabelledBox.of takes it; None: as it says."""
        return self._sight.package.names if version == OWN and self._sight.package else None

    def colours(self, version: str | None, words: Prompt) -> dict[str, str]:
        """Label -> #rrggbb of what a version may answer: as the project's labels are in Label Studio, else as a new one's would be."""
        own, bundle = version == OWN, self.bundle(version)
        project = (version or "").partition("/")[0]
        known = self._sight.package.colours if own and self._sight.package else self._project_colours(project) if project else {}
        names = self.names(version) or {}
        found = [self._sight.labels.get(each, each) for each in words.phrases]
        return assign_colours(found, [names.get(each, each) for each in bundle.labels] if bundle else (), known)

    def bundle(self, version: str | None) -> Bundle | None:
        """The head of a version; None for boxes only. Raises RequestError, BundleMismatch."""
        if not version:
            return None
        if version == OWN:
            return self._sight.own
        project, slash, bundle_id = version.partition("/")
        if not slash:
            raise RequestError(f"There is no version {version!r}.", hint="Choose one from the list.")
        chosen = self._store.desired(project) if bundle_id == LATEST else bundle_id
        return self._store.get(project, chosen or LATEST)


def names_of(paths: Sequence[str]) -> list[str]:
    """File names as people know them."""
    return [Path(each).name for each in paths]


def _renamed(detection: Detection, names: Mapping[str, str] | None) -> Detection:
    """With the label that a name has in the project that the model left; a name without one is not given."""
    answer = detection.answer
    if names is None or not isinstance(answer, Named):
        return detection
    if answer.label in names:
        return replace(detection, answer=replace(answer, label=names[answer.label]))
    return replace(detection, answer=Unknown(None, answer.confidence, because=answer.because))


def _unless_small(detection: Detection, smallest: float) -> Detection:
    answer = detection.answer
    if isinstance(answer, Named) and min(detection.box.width, detection.box.height) < smallest:
        return replace(detection, answer=Unknown(answer.label, answer.confidence, because=answer.because))
    return detection
