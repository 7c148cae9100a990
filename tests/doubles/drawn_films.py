"""Films whose every frame is known: coloured discs on a textured ground, with a tone if wanted. Models that can be read off the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import PIL.ImageDraw

from dinolabel.vision.proposals.candidates import MAX_CANDIDATES, MIN_SCORE, Candidate
from dinolabel.vision.types import Box, Image, Prompt

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Disc:
    """at: frame -> centre in pixels, or None while it is away."""

    colour: Colour
    at: Callable[[int], tuple[float, float] | None]
    radius: int = 18


def ground(width: int, height: int) -> np.ndarray:
    """Grey noise in blocks, so that optical flow has something to hold on to."""
    noise = np.random.default_rng(3).integers(90, 150, (height // 4 + 1, width // 4 + 1, 1), np.uint8)
    return np.repeat(np.repeat(np.repeat(noise, 4, 0), 4, 1), 3, 2)[:height, :width]


def frame(back: np.ndarray, discs: Sequence[Disc], number: int) -> np.ndarray:
    picture = PIL.Image.fromarray(back)
    pen = PIL.ImageDraw.Draw(picture)
    for disc in discs:
        if (centre := disc.at(number)) is not None:
            (x, y), r = centre, disc.radius
            pen.ellipse((x - r, y - r, x + r, y + r), fill=disc.colour)
            for k in (-1, 1):  # a face of its own: flow needs texture
                pen.line((x - r / 2, y + k * r / 3, x + r / 2, y + k * r / 4), fill=tuple(c // 2 for c in disc.colour), width=2)
    return np.asarray(picture)


def film(
    path: Path, discs: Sequence[Disc], *, frames: int = 60, size: tuple[int, int] = (320, 240), rate: int = 30, sound: str | None = None,
    codec: str = "libx264", pix_fmt: str = "yuv420p",
) -> Path:  # fmt: skip
    """Write it. sound: an audio codec, or None for silence."""
    back = ground(*size)
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        tone = out.add_stream(sound, rate=48_000) if sound else None
        for number in range(frames):
            made = av.VideoFrame.from_ndarray(frame(back, discs, number), format="rgb24")
            out.mux(video.encode(made))
        out.mux(video.encode(None))
        if tone is not None:
            _tone(out, tone, frames / rate)
    return path


def song(path: Path) -> Path:
    """A second of sound and no picture."""
    with av.open(str(path), "w") as out:
        _tone(out, out.add_stream("aac", rate=48_000), 1.0)
    return path


def _tone(out: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48_000, frame_size=1024)
    for start in range(0, int(seconds * 48_000), 1024):
        wave = (8000 * np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / 48_000)).astype(np.int16)
        made = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        made.sample_rate, made.pts, made.time_base = 48_000, start, Fraction(1, 48_000)
        for each in resampler.resample(made):
            out.mux(stream.encode(each))
    out.mux(stream.encode(None))


class DiscDetector:
    """One candidate per saturated colour. asked: frames it looked at. before: called before each pass."""

    name, digest, weights, device, precision = "discs", "f" * 64, "discs", "cpu", "float32"

    def __init__(self, *colours: Colour, before: Callable[[], None] = lambda: None) -> None:
        self.colours = colours
        self.asked: list[int | None] = []
        self.before = before

    def candidates(
        self, images: Sequence[Image], prompt: Prompt, *, floor: float = MIN_SCORE, most: int = MAX_CANDIDATES
    ) -> list[list[Candidate]]:
        found = []
        for image in images:
            self.before()
            self.asked.append(image.frame)
            found.append([*filter(None, (self._one(image.pixels, each, prompt.phrases[0]) for each in self.colours))])
        return found

    def _one(self, pixels: np.ndarray, colour: Colour, phrase: str) -> Candidate | None:
        near = np.abs(pixels.astype(int) - colour).sum(axis=2) < 90
        if near.sum() < 60:
            return None
        rows, columns = np.nonzero(near)
        (x1, x2), (y1, y2) = np.percentile(columns, (1, 99)), np.percentile(rows, (1, 99))
        return Candidate(Box(float(x1), float(y1), float(x2 + 1), float(y2 + 1)), phrase, 0.9, 0.8)
