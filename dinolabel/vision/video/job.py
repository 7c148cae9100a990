"""Job of one film, from file to files: detect and track, vote who is who, write it again with names, and all that people want beside it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Pixels
from dinolabel.vision.video import ENDINGS, tracks
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.detect_frames import FrameResult, VideoRequest, VideoRun
from dinolabel.vision.video.tracks import TrackSummary
from dinolabel.vision.video.writer import paint, rewrite

WRITE_SECONDS = 0.012  # a megapixel, decode to encode on two cores: the guess until the first frames are written
PREVIEW_SIDE = 960
Stage = Literal["watching", "writing"]


@dataclass(frozen=True)
class VideoProgress:
    """stage: watching, then writing. done, of: frames of this stage. rate: frames a second of it. left: seconds to the very end.

    picture: makes the frame that was just done, with boxes, for a preview; costs something, so ask now and then.
    """

    stage: Stage
    done: int
    of: int
    rate: float
    left: float
    picture: Callable[[], Pixels] = field(repr=False)


@dataclass(frozen=True)
class VideoFiles:
    """video, data, table, timeline: the files. people: who is in it. document: what the JSON holds."""

    video: Path
    data: Path
    table: Path
    timeline: Path
    people: tuple[TrackSummary, ...]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VideoOutput:
    """folder: for the four files, made if need be. written: without, nothing is written, and the answer's document is all.

    name: how the document calls the video; None: as its file is called. stem: what the names of the four files begin with; None: the
    file's name without its ending.
    """

    folder: Path
    written: bool = True
    name: str | None = None
    stem: str | None = None


class AnnotatedVideo:
    """path: any container PyAV reads. labels: phrase -> label. turn: held for each pass of the models.

    Iterate `steps` to its end, then `answer` is there. Closing the iterator stops at once and leaves no file.
    Raises MediaError, ModelError, BundleMismatch.
    """

    def __init__(
        self,
        path: Path,
        output: VideoOutput,
        request: VideoRequest,
        pipeline: Pipeline,
        *,
        labels: Mapping[str, str] | None = None,
        turn: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.path, self.out, self.request = path, output.folder, request
        self._pipeline, self._labels, self._turn = pipeline, labels or {}, turn
        self._written, self._name, self._stem = output.written, output.name or path.name, output.stem or path.stem
        self.answer: VideoFiles | None = None

    def steps(self) -> Iterator[VideoProgress]:
        """VideoProgress after each frame of each stage."""
        made = not self.out.exists()
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            with SpillBuffer() as spill:
                watch = VideoRun(self.path, self.request, self._pipeline, spill, turn=self._turn)
                yield from self._watch(watch)
                who = tracks.summarise_tracks(watch, self._labels)
                files = [self.out / f"{self._stem}{end}" for end in ENDINGS]
                if self._written:
                    yield from self._write(watch, who, files)
                document = tracks.to_json(watch, who, labels=self._labels, name=self._name)
                self.answer = VideoFiles(files[0], files[1], files[2], files[3], tuple(who.values()), document)
        finally:
            if made and self.answer is None:
                shutil.rmtree(self.out, ignore_errors=True)

    def _watch(self, watch: VideoRun) -> Iterator[VideoProgress]:
        began = time.perf_counter()
        writing = len(watch.video.times) * _guess(watch)
        for moment in watch:
            rate = (moment.frame + 1) / (time.perf_counter() - began)
            left = max(0, moment.of - moment.frame - 1) / rate + writing
            yield VideoProgress("watching", moment.frame + 1, moment.of, rate, left, lambda moment=moment: self._preview(moment))  # type: ignore[misc]

    def _write(self, watch: VideoRun, who: Mapping[int, TrackSummary], files: Sequence[Path]) -> Iterator[VideoProgress]:
        video, data, table, line = files
        rows = watch.rows()
        last: list[Pixels] = [np.zeros((2, 2, 3), np.uint8)]

        def painted(_number: int, pixels: Pixels) -> Pixels:
            boxes = [(box, who[track].label, who[track].caption) for track, box in next(rows, []) if track in who]
            last[0] = paint(pixels, boxes, self.request.colours)
            return last[0]

        began, of = time.perf_counter(), watch.spill.frames
        for number in rewrite(self.path, video, painted):
            rate = (number + 1) / (time.perf_counter() - began)
            yield VideoProgress("writing", number + 1, of, rate, max(0, of - number - 1) / rate, lambda: _small(last[0]))
        tracks.write_json(watch, who, data, labels=self._labels, name=self._name)
        tracks.write_csv(watch, who, table)
        tracks.timeline(list(who.values()), watch.video.seconds, line, self.request.colours)

    def _preview(self, moment: FrameResult) -> Pixels:
        """Who each is so far: a vote that is not finished shows the generic label."""
        boxes = []
        for box, seen in moment.boxes:
            label = getattr(seen.vote.answer, "label", None) or self._labels.get(seen.track.phrase, seen.track.phrase)
            boxes.append((box, label, label))
        return _small(paint(moment.picture(), boxes, self.request.colours))


def _guess(watch: VideoRun) -> float:
    return WRITE_SECONDS * watch.video.width * watch.video.height / 1e6


def _small(pixels: Pixels) -> Pixels:
    step = max(1, -(-max(pixels.shape[:2]) // PREVIEW_SIDE))
    return np.ascontiguousarray(pixels[::step, ::step])
