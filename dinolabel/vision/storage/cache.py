"""Two caches in one file: what the detector proposed for an image, and what the embedder made of a box."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dinolabel.vision.decoding.pictures import DECODING
from dinolabel.vision.errors import ModelError
from dinolabel.vision.proposals.candidates import Candidate
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.storage.sqlite_kv import SqliteKV
from dinolabel.vision.types import QUARTER, Box, CropPolicy, Image, Prompt
from dinolabel.vision.vectors import truncate_features


def detection_key(image: Image, detector_digest: str, prompt: Prompt) -> str:
    """Everything that decides a detector's candidates. The order of the phrases does not count: what matters is which there are."""
    return _key("detections", image.key, DECODING, detector_digest, sorted(prompt.phrases))


def embedding_key(image_key: str, box: Box, policy: CropPolicy, embedder_digest: str) -> str:
    """Everything that decides an embedding. image_key: Image.key. The box counts in quarter pixels; min_side does not count."""
    corners = [round(each / QUARTER) for each in box.quantise().xyxy]
    return _key("embedding", image_key, DECODING, corners, float(policy.margin), int(policy.max_side), embedder_digest)


def _key(kind: str, *parts: object) -> str:
    return f"{kind}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]}"


class Cache:
    """Safe for several threads and processes of one machine. A lost, damaged or full cache costs time only: nothing here raises.

    path: the SQLite file (its folder is made). max_mb: size above which the entries least recently used go.
    """

    def __init__(self, path: Path, *, max_mb: int, clock: Callable[[], float] = time.time) -> None:
        self._entries = SqliteKV(path, max_bytes=max_mb * 1_000_000, clock=clock)
        self._lock = threading.Lock()
        self._counts = {"detections": (0, 0), "embeddings": (0, 0)}

    def counts(self) -> dict[str, tuple[int, int]]:
        """By kind, how many looked-up entries were there and how many were not, in this process."""
        with self._lock:
            return dict(self._counts)

    def _count(self, kind: str, hits: int, asked: int) -> None:
        with self._lock:
            before = self._counts[kind]
            self._counts[kind] = (before[0] + hits, before[1] + asked - hits)

    def get_detections(self, key: str) -> list[Candidate] | None:
        """What put_detections stored, exactly, or None."""
        value = self._entries.get([key]).get(key)
        self._count("detections", int(value is not None), 1)
        if value is None:
            return None
        return [Candidate(Box(*corners), phrase, score, text) for corners, phrase, score, text in parse_json(value)]

    def put_detections(self, key: str, candidates: Iterable[Candidate]) -> None:
        rows = [(each.box.xyxy, each.phrase, each.score, each.text_score) for each in candidates]
        self._entries.put({key: json.dumps(rows).encode()})

    def get_embeddings(self, keys: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The (D,) float32 vectors that are there; keys that are not are missing from the answer."""
        asked = list(keys)
        found = self._entries.get(asked)
        self._count("embeddings", len(found), len(asked))
        return {key: np.frombuffer(value, "<f4").astype(np.float32) for key, value in found.items()}

    def put_embeddings(self, embeddings: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._entries.put({key: np.asarray(each, dtype="<f4").tobytes() for key, each in embeddings.items()})

    def forget(self, keys: Iterable[str], like: npt.NDArray[np.float32], *, distance: float) -> int:
        """Remove these embeddings, and all others within a cosine distance of one of `like` ((N, D) unit rows); how many went.

        Rows of more columns, or of fewer, are compared over those that both have: an embedder may have given one feature once, and two now.
        Their bytes go too. Raises ModelError when another process holds the file.
        """
        exactly, narrow = set(keys), {like.shape[1]: like}

        def nearest(row: npt.NDArray[np.float32]) -> float:
            width = min(len(row), like.shape[1])
            if width not in narrow:
                narrow[width] = truncate_features(like, width)
            return 1.0 - float((narrow[width] @ truncate_features(row[None], width)[0]).max())

        def wanted(key: str, value: bytes) -> bool:
            if not key.startswith("embedding:"):
                return False
            return key in exactly or (len(like) > 0 and nearest(np.frombuffer(value, "<f4")) <= distance)

        try:
            return self._entries.forget(wanted)
        except sqlite3.Error as error:
            raise ModelError(f"The cache cannot be cleaned now: {error}.", hint="Stop `dinolabel serve` and try again.") from error

    def close(self) -> None:
        """Let go of the file; afterwards everything is a miss."""
        self._entries.close()
