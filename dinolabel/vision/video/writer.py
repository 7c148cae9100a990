"""Writes a film again with something painted on each frame: H.264, yuv420p, fast start, times and sound as they were.

Frames go through one at a time, so memory does not grow with the film.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import structlog

from dinolabel.vision.decoding.video_display import BT601, BT709, HD_ROWS, VideoDisplay
from dinolabel.vision.decoding.video_frames import open_stream
from dinolabel.vision.errors import MediaError, MediaUnreadable
from dinolabel.vision.images.annotation import font_file
from dinolabel.vision.images.colours import colour_of, text_colour
from dinolabel.vision.types import Box, Pixels

log = structlog.get_logger(__name__)

CODEC = "libx264"
QUALITY = {"preset": "veryfast", "crf": "21"}
COPIED = frozenset({"aac"})  # sound that every browser plays in an MP4; other sound becomes this
SOUND_RATE = 48_000
GAP = SOUND_RATE // 5
SMPTE_170M = 6  # ISO 23091-2: BT.601 of 525 lines
FASTSTART = {"movflags": "+faststart"}

Paint = Callable[[int, Pixels], Pixels]


def rewrite(source: Path, target: Path, paint: Paint) -> Iterator[int]:
    """Each frame's number (from 0) once it is written. paint: number and (H, W, 3) RGB -> the same size.

    The file appears whole or not at all: closing the iterator leaves nothing behind. Raises MediaError.
    """
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with open_stream(source) as (container, stream), av.open(str(unfinished), "w", format="mp4", options=FASTSTART) as out:
            try:
                yield from _VideoWriter(container, stream, out, paint).run()
            except av.error.FFmpegError as error:  # here, or it would be taken for the source's
                raise MediaError(f"{source.name} cannot be written again: {error.strerror}.", hint="Is the disk full?") from error
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


class _VideoWriter:
    def __init__(self, container: Any, stream: Any, out: Any, paint: Paint) -> None:
        self._container, self._stream, self._out, self._paint = container, stream, out, paint
        self._video: Any = None
        self._display = VideoDisplay.of(stream)
        self._origin: Fraction | None = None
        self._last = -1
        self._sound_from = next((each for each in container.streams.audio), None)
        self._sound_to: Any = None
        self._resampler: Any = None
        self._heard = 0  # samples written
        if self._sound_from is not None:
            self._sound()
        self._early: list[Any] = []

    def run(self) -> Iterator[int]:
        number = 0
        streams = [self._stream, *([self._sound_from] if self._sound_to is not None else [])]
        for packet in self._container.demux(streams):
            if packet.stream is self._stream or packet.stream.index == self._stream.index:
                for frame in _decode(packet):
                    self._show(number, frame)
                    yield number
                    number += 1
            elif self._origin is None:
                self._early.append(packet)
            else:
                self._hear(packet)
        self._end()

    def _show(self, number: int, frame: Any) -> None:
        pixels = _even(self._paint(number, self._display.upright(frame)))
        if self._video is None:
            self._begin(frame, pixels)
        made = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p", dst_colorspace=_space(pixels))
        base = self._video.codec_context.time_base
        # Times are the source's own, from its first frame; a decoder that gives none, or one twice, is counted on.
        stamp = self._last + 1 if frame.pts is None else round((frame.pts * self._stream.time_base - (self._origin or 0)) / base)
        self._last = max(self._last + 1, stamp)
        made.pts, made.time_base = self._last, base
        self._out.mux(self._video.encode(made))

    def _begin(self, frame: Any, pixels: Pixels) -> None:
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self._video = self._out.add_stream(CODEC, rate=rate)
        self._video.height, self._video.width = pixels.shape[:2]
        self._video.pix_fmt, self._video.options = "yuv420p", QUALITY
        coded = self._video.codec_context  # tagged in full, so that nobody has to guess
        coded.colorspace = coded.color_primaries = coded.color_trc = BT709 if _space(pixels) == BT709 else SMPTE_170M
        self._video.codec_context.time_base = self._stream.time_base if frame.pts is not None else 1 / Fraction(rate)
        self._origin = Fraction(frame.pts or 0) * self._stream.time_base
        early, self._early = self._early, []
        for each in early:
            self._hear(each)

    def _sound(self) -> None:
        source: Any = self._sound_from
        if source.codec_context.name.split("_")[0] in COPIED:
            self._sound_to = self._out.add_stream_from_template(source)
            return
        self._sound_to = self._out.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE, frame_size=1024)

    def _hear(self, packet: Any) -> None:
        shift = self._origin or 0
        if self._resampler is None:
            if packet.dts is None:
                return
            ticks = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
            packet.stream = self._sound_to
            self._out.mux(packet)
            return
        for frame in _decode(packet):
            begins = 0 if frame.pts is None else round((frame.pts * frame.time_base - shift) * SOUND_RATE)
            if begins - self._heard > GAP:
                self._heard = begins
            frame.pts = None
            self._encode(self._resampler.resample(frame))

    def _encode(self, frames: Any) -> None:
        """Counted in samples, because some containers' own times go back and forth; a gap in them stays a gap."""
        for each in frames:
            each.pts, each.time_base = self._heard, Fraction(1, SOUND_RATE)
            self._heard += each.samples
            self._out.mux(self._sound_to.encode(each))

    def _end(self) -> None:
        if self._video is None:
            raise MediaUnreadable("No frame of the film can be decoded.", hint="The file is damaged or was cut short.")
        self._out.mux(self._video.encode(None))
        if self._resampler is not None:
            self._encode(self._resampler.resample(None))
            self._out.mux(self._sound_to.encode(None))


def _decode(packet: Any) -> list[Any]:
    """A damaged packet costs its own frames and no others."""
    try:
        return list(packet.decode())
    except av.error.InvalidDataError:
        log.info("packet_skipped", stamp=packet.pts)
        return []


def _space(pixels: Pixels) -> int:
    """The matrix that players expect of a film of these rows, also those that heed no tag."""
    return BT709 if pixels.shape[0] >= HD_ROWS else BT601


def _even(pixels: Pixels) -> Pixels:
    """yuv420p has a colour for every two by two pixels: an odd side gets its last row or column twice."""
    odd = pixels.shape[0] % 2, pixels.shape[1] % 2
    return np.pad(pixels, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge") if any(odd) else pixels


def paint(pixels: Pixels, boxes: Sequence[tuple[Box, str, str]], colours: Mapping[str, str] | None = None) -> Pixels:
    """A copy of (H, W, 3) uint8 RGB pixels with each (box, label, caption) in the label's colour. colours: as colour_of takes them."""
    canvas = np.array(pixels)
    height, width = canvas.shape[:2]
    longer = max(height, width)
    thick, size = max(2, round(longer / 400)), max(11, round(longer / 50))
    for box, label, caption in boxes:
        x1, y1, x2, y2 = (round(each) for each in box.xyxy)
        colour = colour_of(label, colours)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), _rgb(colour), thick, cv2.LINE_AA)
        plate = _plate(caption, colour, size)
        top = y1 - plate.shape[0] if y1 >= plate.shape[0] else y1
        _paste(canvas, plate, min(max(0, x1), max(0, width - plate.shape[1])), max(0, top))
    return canvas


@lru_cache(maxsize=512)
def _plate(caption: str, background: str, size: int) -> Pixels:
    """The caption on its colour, (h, w, 3)."""
    path = font_file(caption)
    font = PIL.ImageFont.truetype(path, size) if path else PIL.ImageFont.load_default(size)
    x1, y1, x2, y2 = font.getbbox(caption)
    pad = max(2, size // 5)
    plate = PIL.Image.new("RGB", (max(1, round(x2 - x1)) + 2 * pad, max(1, round(y2 - y1)) + 2 * pad), background)
    PIL.ImageDraw.Draw(plate).text((pad - x1, pad - y1), caption, fill=text_colour(background), font=font)
    return np.asarray(plate)


def _paste(canvas: Pixels, plate: Pixels, x: int, y: int) -> None:
    part = canvas[y : y + plate.shape[0], x : x + plate.shape[1]]
    part[:] = plate[: part.shape[0], : part.shape[1]]


def _rgb(name: str) -> tuple[int, int, int]:
    return int(name[1:3], 16), int(name[3:5], 16), int(name[5:7], 16)
