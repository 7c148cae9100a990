"""One frame of a video file as an Image.

Knows nothing of tracks or sampling: it answers for the frame it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vision.errors import MediaUnavailable, MediaUnreadable
from vision.types import Image, Pixels


def open_frame(path: Path, frame: int) -> Image:
    """Frame number `frame` (counted from 0, in the order of presentation) of a video; its pixels are decoded when asked for.

    Raises MediaUnavailable when there is no such file, MediaUnreadable when it is no video or ends before that frame.
    """
    if frame < 0:
        raise MediaUnreadable(f"{path.name} has no frame {frame}: frames are counted from 0.")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MediaUnavailable(f"{path.name} cannot be read: {error.strerror}.") from error
    first = _decode(path, 0)
    return Image(digest, first.shape[1], first.shape[0], lambda: _decode(path, frame), frame)


def _decode(path: Path, wanted: int) -> Pixels:
    """Decodes from the start: exact for every codec, at the price of time; a reader of whole videos goes straight through instead."""
    with _opened(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == wanted:
                turned = np.rot90(frame.to_ndarray(format="rgb24"), k=round(frame.rotation / 90))
                pixels = np.ascontiguousarray(turned)
                pixels.flags.writeable = False
                return pixels
    raise MediaUnreadable(f"{path.name} ends before frame {wanted}.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaUnreadable(f"{path.name} holds no moving pictures.")
            yield container
    except av.error.FFmpegError as error:
        raise MediaUnreadable(f"{path.name} is no video that we can decode.", hint="Re-save it as MP4 (H.264).") from error
