"""Thumbnails of crops: JPEG, cut as the embedder sees them, in a bounded cache."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable

import PIL.Image

from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, CropPolicy, Image

SIDE = 160
QUALITY = 85
CACHE_BYTES = 64 * 2**20
"""Some 10,000 thumbnails: what a person scrolls through in an hour."""


class ThumbnailCache:
    """Makes thumbnails once and keeps the ones used last. policy: how crops are cut."""

    def __init__(self, policy: CropPolicy, most_bytes: int = CACHE_BYTES) -> None:
        self._policy = policy
        self._most = most_bytes
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: object, load: Callable[[], tuple[Image, Box]]) -> bytes:
        """The JPEG of a crop. load: its picture and box, asked when it is not kept; raises MediaError."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image, box = load()
        made = encode_crop(image, box, self._policy)
        with self._lock:
            self._size += len(made) - len(self._kept.pop(key, b""))
            self._kept[key] = made
            while self._size > self._most and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


def encode_crop(image: Image, box: Box, policy: CropPolicy) -> bytes:
    """A JPEG of at most SIDE pixels a side."""
    picture = PIL.Image.fromarray(cut(image.pixels, box, policy).pixels)
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
