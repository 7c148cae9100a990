"""What the video tab does: one film a person at a time, two at once in all, each stopped when its person says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from dinolabel.app.common.downloads import DownloadFolder
from dinolabel.app.common.fair_queue import FairSemaphore
from dinolabel.app.common.film_rows import faces
from dinolabel.app.common.model_handle import ModelHandle
from dinolabel.app.tabs.image import ImageTab
from dinolabel.vision.errors import MediaUnavailable, RequestError
from dinolabel.vision.types import Pixels, Prompt, Thresholds
from dinolabel.vision.video.detect_frames import VideoRequest
from dinolabel.vision.video.job import AnnotatedVideo, VideoFiles, VideoOutput, VideoProgress

log = structlog.get_logger(__name__)

SEATS = 2
WAIT_SECONDS = 1.0
TELL_SECONDS = 0.5  # between two words to the browser
PREVIEW_SECONDS = 1.0  # of wall time between two previews: each costs about a hundredth of a second


@dataclass(frozen=True)
class VideoTabRequest:
    """What a person set for a film; as for a picture, and every: frames between two looks of the detector."""

    prompt: str
    box: float = 0.3
    text: float = 0.25
    version: str | None = None
    every: float = 15
    smallest: float = 0


@dataclass(frozen=True)
class VideoUpdate:
    """One word from a film that is on. waiting: films before it, while it waits. progress, preview, answer: as far as there are any.

    faces: track -> pixels of it, with the answer; colours: label -> #rrggbb.
    """

    waiting: int = 0
    progress: VideoProgress | None = None
    preview: Pixels | None = None
    answer: VideoFiles | None = None
    faces: Mapping[int, Pixels] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = False


class VideoTab:
    """Passes of the models are taken in turn with everybody else's, so one long film holds nobody up for longer than one pass."""

    def __init__(self, sight: ModelHandle, images: ImageTab, shelf: DownloadFolder) -> None:
        self._sight, self._images, self._shelf = sight, images, shelf
        self._seats = FairSemaphore(SEATS)
        self._on: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def run(self, path: str | None, ask: VideoTabRequest, *, who: str) -> Iterator[VideoUpdate]:
        """Word by word. who: the person's session. Closing the iterator stops the film and leaves no file.

        Raises MediaError, PromptMissing, ModelError, RequestError.
        """
        if not path:
            raise MediaUnavailable("There is no film yet.", hint="Upload one: MP4, MOV, MKV, WebM, AVI and most others.")
        pipeline, bundle = self._sight.pipeline(), self._images.bundle(ask.version)
        words = Prompt.parse(ask.prompt or "")
        pipeline.check_prompt(words)
        limits = Thresholds(ask.box, ask.text, pipeline.thresholds.nms_iou)
        names, colours = self._images.names(ask.version), self._images.colours(ask.version, words)
        request = VideoRequest(words, limits, max(1, int(ask.every)), bundle, ask.smallest, names, colours)
        with self._run_of(who) as stop, self._seats.position() as waits:
            while (before := waits(WAIT_SECONDS)) and not stop.is_set():
                yield VideoUpdate(waiting=before)
            if stop.is_set():
                yield VideoUpdate(stopped=True)
                return
            output = VideoOutput(self._shelf.place() / "film")
            film = AnnotatedVideo(Path(path), output, request, pipeline, labels=self._sight.labels, turn=self._sight.passes.acquire)
            yield from _updates(film, stop)

    def stop(self, who: str) -> bool:
        """Stop this person's film, whether it runs or waits; whether there was one."""
        with self._lock:
            stop = self._on.get(who)
        if stop is not None:
            stop.set()
        return stop is not None

    def stop_all(self) -> None:
        """Before the page goes."""
        with self._lock:
            for each in self._on.values():
                each.set()

    @contextmanager
    def _run_of(self, who: str) -> Iterator[threading.Event]:
        stop = threading.Event()
        with self._lock:
            if who in self._on:
                raise RequestError("A film of yours is on already.", hint="Wait for it, or cancel it.")
            self._on[who] = stop
        try:
            yield stop
        finally:
            with self._lock:
                del self._on[who]


def _updates(film: AnnotatedVideo, stop: threading.Event) -> Iterator[VideoUpdate]:
    """Every frame is watched, not every frame is told. `stop` is looked at after each frame."""
    told = shown = 0.0
    steps = film.steps()
    try:
        while not stop.is_set():
            progress = next(steps, None)
            if progress is None:
                seen = faces(film.path, film.answer) if film.answer else {}
                yield VideoUpdate(answer=film.answer, faces=seen, colours=film.request.colours or {})
                return
            now = time.monotonic()
            if now - told >= TELL_SECONDS:
                preview = None
                if now - shown >= PREVIEW_SECONDS:
                    shown, preview = now, progress.picture()
                told = now
                yield VideoUpdate(progress=progress, preview=preview)
    finally:
        steps.close()  # type: ignore[attr-defined]
    log.info("film_stopped", film=film.path.name)
    yield VideoUpdate(stopped=True)
