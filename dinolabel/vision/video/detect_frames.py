"""One pass over a film: the detector every few frames, optical flow in between, a look at each track's face now and then.

Memory does not grow with the film: boxes go to a file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.decoding.video_display import VideoDisplay, matrix_of, turn
from dinolabel.vision.decoding.video_frames import Video, decode_packets, open_stream, open_video
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import Box, Detection, Image, Pixels, Prompt, Suppressed, Thresholds, Unknown
from dinolabel.vision.video.buffer import SpillBuffer
from dinolabel.vision.video.optical_flow import Grey
from dinolabel.vision.video.reidentify import reidentify
from dinolabel.vision.video.tracker import Track, Tracker
from dinolabel.vision.video.vote import LEAST_LOOKS, ObservedTrack

SMALLEST, LARGEST = 320, 640  # pixels of the longer side of what optical flow sees: at half size boxes are followed nearly as well
LUMA_FIRST = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"})
FOLLOWED_RATE = 15.0  # frames a second that are followed: those between are as good as straight lines
MOST_APART = 0.5  # seconds between two passes of the detector, however slow the film's frames come
WEAK = 0.5  # share of the box threshold with which a track is kept alive (ByteTrack's second round: Zhang et al., ECCV 2022)
REFRESH = 2.0  # seconds between two looks at a track that has had its first three
PATIENCE = 1.5  # seconds that a lost track is waited for
CUT = 40.0  # mean change of a grey level (0..255) between two frames beyond which the scene is another


@dataclass(frozen=True)
class VideoRequest:
    """What to look for in a film. every: frames between two passes of the detector; smallest: pixels, below which nobody is named.

    names: what the head says -> label, as LabelledBox.of takes it. colours: label -> #rrggbb.
    """

    prompt: Prompt
    thresholds: Thresholds
    every: int = 15
    bundle: Bundle | None = None
    smallest: float = 0.0
    names: Mapping[str, str] | None = None
    colours: Mapping[str, str] | None = None


@dataclass(frozen=True)
class FrameResult:
    """How far it is. frame: just done, counted from 0; of: frames in all; passes: of the detector. picture: makes this frame, RGB."""

    frame: int
    of: int
    passes: int
    picture: Callable[[], Pixels] = field(repr=False)
    boxes: list[tuple[Box, ObservedTrack]] = field(repr=False)


class VideoRun:
    """One film being watched. Iterate it to the end; `seen` and `spill` then hold everybody. Closing the iterator stops at once.

    turn: entered around each pass of a model, so that others who use the same models get theirs in between.
    Raises MediaError, ModelError, BundleMismatch.
    """

    def __init__(
        self, path: Path, request: VideoRequest, pipeline: Pipeline, spill: SpillBuffer,
        *, turn: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:  # fmt: skip
        self.video: Video = open_video(path)
        self.request = request
        self.spill = spill
        self.seen: dict[int, ObservedTrack] = {}
        self.passes = 0
        self.seconds = 0.0
        self._pipeline, self._turn = pipeline, turn
        if request.bundle is not None:
            pipeline.check(request.bundle)
        rate = len(self.video.times) / max(self.video.seconds, 1e-6)
        self.every = max(1, min(request.every, round(rate * MOST_APART) or 1))
        self._step = max(1, min(self.every, round(rate / FOLLOWED_RATE)))
        self._tracker = Tracker((self.video.width, self.video.height), patience=max(2, round(rate / self._step * PATIENCE)))
        self._settled = 0
        self._same: dict[int, int] = {}

    def __iter__(self) -> Iterator[FrameResult]:
        began, before, since = time.perf_counter(), None, self.every - 1
        with open_stream(self.video.path) as (container, stream):
            display = VideoDisplay.of(stream)
            for number, frame in enumerate(decode_packets(container, stream)):
                grey = _grey(display, frame)
                changed = before is not None and _change(before, grey) > CUT
                if changed:
                    self._settle()
                    self._tracker.cut()
                before, since = grey, since + 1
                due = changed or since >= self.every
                if due or not self._tracker.calm or since % self._step == 0:
                    self._tracker.follow(grey)
                else:
                    self._tracker.skip(grey)
                if due:
                    self._pass(number, display.upright(frame))
                    since = 0
                yield self._moment(number, partial(display.upright, frame))
        self._settle()
        self._rejoin()
        self.seconds = time.perf_counter() - began

    def rows(self) -> Iterator[list[tuple[int, Box]]]:
        """Of each frame: track and box. Once it is watched to the end."""
        for each in self.spill:
            yield [(self._same.get(number, number), box) for number, box in each]

    def confirmed_tracks(self) -> dict[int, ObservedTrack]:
        """The tracks that count: seen by two passes or more, or by the only pass there was in their time."""
        return {number: each for number, each in self.seen.items() if each.track.hits > 1 or self.passes == 1}

    def _moment(self, number: int, picture: Callable[[], Pixels]) -> FrameResult:
        boxes = [(box, self.seen[each.id]) for each in self._tracker.tracks if each.missed == 0 and (box := self._clip(each.box))]
        return FrameResult(number, len(self.video.times), self.passes, picture, boxes)

    def _pass(self, number: int, pixels: Pixels) -> None:
        """Ask the detector, give the boxes to the tracks, look at who is due."""
        image = self.video.image(number, lambda: pixels)
        asked = self.request.thresholds
        low = Thresholds(asked.box * WEAK, asked.text * WEAK, asked.nms_iou)
        with self._turn():
            (detections,) = self._pipeline.predict([image], self.request.prompt, thresholds=low)
            self.passes += 1
            pairs = self._tracker.match(detections, least_score=asked.box)
            self._look(image, number, pairs)
        self._settle()

    def _look(self, image: Image, number: int, pairs: list[tuple[Track, Detection]]) -> None:
        now, bundle = self.video.times[min(number, len(self.video.times) - 1)], self.request.bundle
        for track, _ in pairs:
            self.seen.setdefault(track.id, ObservedTrack(track, first=number, last=number))
        if bundle is None:
            return
        due = [(self.seen[track.id], detection) for track, detection in pairs if self._due(self.seen[track.id], now)]
        boxes = [detection.box for _, detection in due]
        rows = self._pipeline.embed(image, boxes, bundle)
        answers = bundle.answer(rows, boxes, image=image.key, reasons=False)
        for (seen, _), box, row, answer in zip(due, boxes, rows, answers, strict=True):
            small = min(box.width, box.height) < self.request.smallest
            seen.vote.add(Unknown() if small or isinstance(answer, Suppressed) else answer)
            seen.last_look, seen.embedding = now, row if seen.embedding is None else seen.embedding + row

    def _due(self, seen: ObservedTrack, now: float) -> bool:
        return seen.vote.looks < LEAST_LOOKS or now - seen.last_look >= REFRESH

    def _settle(self) -> None:
        for rows in self._tracker.pop_settled():
            kept = [(number, box) for number, each in rows if (box := self._clip(each)) is not None]
            self.spill.add(kept)
            for number, _ in kept:
                seen = self.seen[number]
                seen.first, seen.last = min(seen.first, self._settled), max(seen.last, self._settled)
            self._settled += 1

    def _rejoin(self) -> None:
        """Whoever came back is the one who left."""
        if self.request.bundle is None:
            return
        self._same = reidentify(self.seen, self.request.bundle)
        for later, earlier in self._same.items():
            self.seen[earlier].go_on(self.seen.pop(later))

    def _clip(self, box: Any) -> Box | None:
        if box[2] <= box[0] or box[3] <= box[1]:
            return None
        return Box(*map(float, box)).clip(self.video.width, self.video.height)


def _grey(display: VideoDisplay, frame: Any) -> Grey:
    """(h, w) uint8, upright, half the frame's size but between SMALLEST and LARGEST; from the luma plane where there is one."""
    width, height = display.square_size(frame)
    scale = min(1.0, min(max(max(width, height) / 2, SMALLEST), LARGEST) / max(width, height))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    if frame.format.name in LUMA_FIRST:
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : frame.width]
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    else:
        small = frame.reformat(width=size[0], height=size[1], format="gray").to_ndarray()
    return np.ascontiguousarray(turn(small, matrix_of(frame)))


def _change(before: Grey, now: Grey) -> float:
    """Mean change of a grey level, over every fourth row and column."""
    return float(np.abs(now[::4, ::4].astype(np.int16) - before[::4, ::4]).mean())
