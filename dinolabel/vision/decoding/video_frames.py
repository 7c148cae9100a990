"""Frames of a video file as Images: one by its number, or one every few seconds.

Frames are counted from 0 in the order of presentation, and their times come from the
file's own time stamps: frame rates vary within one file, and a counter would drift (docs/ancestor.md).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

from dinolabel.vision.decoding.video_display import VideoDisplay
from dinolabel.vision.errors import MediaUnavailable, MediaUnreadable
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.types import Image, Pixels

log = structlog.get_logger(__name__)

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")
TRUSTED = ("mov", "matroska")
"""Containers whose time stamps and key frames can be relied on. AVI with B-frames, MPEG-TS and MPEG-PS were measured to land on
other frames than asked for, so those are counted by decoding."""

REMEMBERED = 16  # videos whose time stamps are kept: opening many frames of one file reads it through once
VP8_SHOWN = 0x10  # RFC 6386, 9.1: a frame without this bit in its first byte is never shown


@dataclass(frozen=True)
class Video:
    """What a file says of itself. sha256: hex digest of its bytes. width, height: pixels, upright and square, as a browser shows it.

    times: seconds of each frame after the first one, in the order of presentation. declared: seconds the file says it lasts, None when it
    does not say; where it lasts clearly longer than its frames, it was cut short. decoding: of its frames, as dinolabel.vision.types.Image
    has it.
    """

    path: Path
    sha256: str
    width: int
    height: int
    times: tuple[float, ...]
    declared: float | None
    stamps: tuple[int, ...] = field(repr=False)
    keys: tuple[int, ...] = field(repr=False)
    decoding: str = ""

    def image(self, number: int, load: Callable[[], Pixels]) -> Image:
        """A frame of it. load: gives its pixels, upright."""
        return Image(self.sha256, self.width, self.height, load, number, decoding=self.decoding)

    @property
    def seconds(self) -> float:
        """From the first frame to the end of the last, taken to be as long as the one before it."""
        last = self.times[-1] - self.times[-2] if len(self.times) > 1 else 0.0
        return self.times[-1] + last


def open_video(path: Path) -> Video:
    """Reads the file's time stamps and first frame, without decoding the rest. A file that did not change is read once.

    Raises MediaUnavailable when there is no such file, MediaUnreadable when it holds no moving pictures.
    """
    try:
        facts = path.stat()
        return _open_video(path, facts.st_mtime_ns, facts.st_size)
    except OSError as error:
        raise MediaUnavailable(f"{path.name} cannot be read: {error.strerror}.") from error


def open_frame(path: Path, frame: int) -> Image:
    """Frame number `frame` of a video; its pixels are decoded when asked for, from the key frame before it.

    Raises MediaUnavailable when there is no such file, MediaUnreadable when it is no video or ends before that frame.
    """
    if frame < 0:
        raise MediaUnreadable(f"{path.name} has no frame {frame}: frames are counted from 0.")
    video = open_video(path)
    if frame >= len(video.times):
        raise MediaUnreadable(f"{path.name} ends before frame {frame}.", hint="Was it replaced by another file of the same name?")
    return video.image(frame, lambda: _decode(video, frame))


def sample_frames(video: Video, every: float) -> Iterator[tuple[float, Image]]:
    """(seconds, frame) every so many seconds: what is on the screen at 0, every, 2 * every, …

    One pass that leaps over what it does not need; where a frame cannot be decoded, the next one that can is taken. Frames hold their
    pixels. Raises ValueError unless every > 0, MediaUnreadable when decoding fails as a whole.
    """
    if every <= 0:
        raise ValueError(f"expected seconds above 0, got {every}")
    wanted = [bisect_right(video.times, number * every + 1e-6) - 1 for number in range(int(video.times[-1] / every + 1e-6) + 1)]
    last = -1
    for number, pixels in _walk(video, sorted(set(wanted))):
        if number > last:
            last = number
            yield video.times[number], video.image(number, lambda kept=pixels: kept)  # type: ignore[misc]


def _decode(video: Video, wanted: int) -> Pixels:
    for leap in (True, False):  # some containers land behind the key frame that was asked for
        for number, pixels in _walk(video, [wanted], leap=leap):
            if number == wanted:
                return pixels
    raise MediaUnreadable(f"Frame {wanted} of {video.path.name} cannot be decoded.", hint="The file is damaged there.")


def _walk(video: Video, wanted: Sequence[int], *, leap: bool = True) -> Iterator[tuple[int, Pixels]]:
    """The frames of these numbers (rising), each the first at or after its number that can be decoded. leap: seek between them."""
    with open_stream(video.path) as (container, stream):
        frames, at, stamps = decode_packets(container, stream), -1, video.stamps
        display = VideoDisplay.of(stream)
        for number in wanted:
            if at >= number:
                continue
            if leap and (key := _key_before(video, number)) > max(at, 0):
                container.seek(stamps[key], stream=stream)
                frames = decode_packets(container, stream)
            for frame in frames:
                at = bisect_left(stamps, frame.pts) if video.keys else at + 1
                if at >= number:
                    yield min(at, len(stamps) - 1), display.upright(frame)
                    break


def _key_before(video: Video, number: int) -> int:
    """The number of the key frame that decoding must begin with; 0 when the file does not tell."""
    before = bisect_right(video.keys, number) - 1
    return video.keys[before] if before >= 0 else 0


def decode_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, in order; a damaged packet costs its own frames and no others."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            log.info("packet_skipped", file=Path(container.name).name, stamp=packet.pts)


@lru_cache(maxsize=REMEMBERED)
def _open_video(path: Path, modified: int, size: int) -> Video:
    digest = sha256_of_file(path)
    with open_stream(path) as (container, stream):
        declared = _declared_count(container, stream)
        base = float(stream.time_base)
        found = _stamps(container, stream)
    stamps, keys = found if found is not None else (_by_decoding(path), ())
    with open_stream(path) as (container, stream):
        first = next(decode_packets(container, stream), None)
        if first is None or not stamps:
            raise MediaUnreadable(f"{path.name} holds no picture that can be decoded.", hint="The file is damaged or was cut short.")
        display = VideoDisplay.of(stream)
        height, width = display.upright(first).shape[:2]
    times = tuple(round((each - stamps[0]) * base, 6) for each in stamps)
    return Video(path, digest, width, height, times, declared, stamps, keys, display.rules(first))


def _stamps(container: Any, stream: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Time stamp of every frame, rising, and the numbers of the key frames; from the packets, which costs no decoding.

    None when the container cannot be relied on for it: then frames are counted by decoding.
    """
    if not set(container.format.name.split(",")) & set(TRUSTED):
        return None
    shown: list[tuple[int, bool]] = []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard or (stream.codec.canonical_name == "vp8" and not bytes(packet)[0] & VP8_SHOWN):
            continue
        if packet.pts is None:
            return None
        shown.append((packet.pts, packet.is_keyframe))
    shown.sort()
    stamps = tuple(stamp for stamp, _ in shown)
    if len(set(stamps)) < len(stamps):
        return None
    return stamps, tuple(number for number, (_, key) in enumerate(shown) if key)


def _by_decoding(path: Path) -> tuple[int, ...]:
    """Time stamps of the frames as the decoder gives them, evenly spaced where it gives none that rise."""
    with open_stream(path) as (container, stream):
        given = [frame.pts for frame in decode_packets(container, stream)]
        even = 1 / (float(stream.average_rate or 25) * float(stream.time_base))
    rising = all(each is not None for each in given) and all(a < b for a, b in pairwise(given))
    return tuple(given) if rising else tuple(round(number * even) for number in range(len(given)))


def _declared_count(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None  # AV_TIME_BASE


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first stream of moving pictures: the cover of a song is none."""
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            pictures = [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
            moving = [each for each in pictures if each.codec_context is not None]  # None: a codec that nobody knows
            if not moving:
                raise MediaUnreadable(f"{path.name} holds no moving pictures.", hint="It may be a sound recording.")
            moving[0].thread_type = "AUTO"
            yield container, moving[0]
    except av.error.FFmpegError as error:
        raise MediaUnreadable(f"{path.name} is no video that we can decode.", hint="Re-save it as MP4 (H.264).") from error
