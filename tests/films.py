"""Drawn videos: any pictures, in any container, at any times; and a film whose frames tell their own number."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"preset": "ultrafast", "g": "20", "bf": "2"}),
    ".mov": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=20:bframes=3:log-level=none"}),
    ".webm": ("libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}),
    ".avi": ("mpeg4", {"g": "12", "bf": "2"}),
    ".mkv": ("libx264", {"preset": "ultrafast", "g": "20", "bf": "2"}),
    ".ts": ("libx264", {"preset": "ultrafast", "g": "20", "bf": "2"}),
}
BITS, BAR = 7, 12
TICKS = 1000  # of a second, for films whose frames have times of their own
UPRIGHT = (1, 0, 0, 1)


def film(
    path: Path, pictures: Iterable[np.ndarray], *, rate: int = 10, times: Sequence[float] | None = None, codec: str = "", **options: str
) -> Path:
    """A video of (H, W, 3) uint8 RGB pictures, at `rate` frames a second or at these times in seconds. The codec suits the suffix."""
    name, settings = CODECS[path.suffix]
    # index in front, as phones and sites do: such a file still plays up to where it was cut
    muxer = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=muxer) as container:
        stream: Any = container.add_stream(codec or name, rate=rate)
        stream.options = options or ({} if codec else settings)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                stream.codec_context.time_base = frame.time_base = Fraction(1, TICKS)
                frame.pts = round(times[number] * TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound_only(path: Path, *, seconds: int = 1) -> Path:
    """A recording without pictures."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        for part in range(seconds * 8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, part * 1000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut_short(path: Path, share: float) -> Path:
    """Only the first part of the file's bytes is left."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same MP4 with another display matrix, as a phone held upright writes it. (0, 1, -1, 0): shown a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2: where the track header keeps its matrix
    a, b, c, d = (each << 16 for each in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def coloured(
    path: Path,
    size: tuple[int, int],
    *,
    codec: str = "",
    tags: tuple[int, int, int] = (2, 2, 2),
    full: bool = False,
    aspect: Fraction = Fraction(1),
) -> Path:
    """Three frames of Y 100, Cb 90, Cr 180, the top left corner lighter. tags: matrix, primaries, transfer (2: unspecified)."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec or CODECS[path.suffix][0], rate=10)
        stream.width, stream.height = size
        coded = stream.codec_context
        stream.pix_fmt, coded.sample_aspect_ratio = "yuv420p", aspect
        coded.colorspace, coded.color_primaries, coded.color_trc = tags
        coded.color_range = 2 if full else 1
        for number in range(3):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, value in zip(frame.planes, (100, 90, 180), strict=True):
                rows = np.full((plane.height, plane.line_size), value, np.uint8)
                rows[: plane.height // 4, : plane.width // 4] += 60 if plane.line_size == frame.planes[0].line_size else 0
                plane.update(rows.tobytes())
            frame.pts, frame.colorspace, frame.color_range = number, tags[0], 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbered(count: int) -> Iterable[np.ndarray]:
    """Pictures with their own number on them, as seven bars; no two are alike."""
    for number in range(count):
        pixels = np.full((64, 96, 3), 30, np.uint8)
        for bit in range(BITS):
            if number >> bit & 1:
                pixels[:, bit * BAR : (bit + 1) * BAR] = 220
        yield pixels


def number_on(pixels: np.ndarray) -> int:
    """What `numbered` wrote there."""
    return sum(int(pixels[20:40, bit * BAR + 3 : (bit + 1) * BAR - 3].mean() > 128) << bit for bit in range(BITS))
