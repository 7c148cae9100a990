"""Lines of JSON on a disk, one per task, that survive a kill: what was done is not done again, and never all of it is in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dinolabel.vision.storage.json_text import parse_json

FORMAT = 1


class CheckpointLog:
    """path: made when it is not there. terms: everything that decides what a line says; a journal of other terms is begun anew.

    Iterating gives the values noted or found again since it was opened, in that order.
    """

    def __init__(self, path: Path, terms: Any) -> None:
        self._path = path
        self._terms = digest([FORMAT, terms])
        self._known: dict[str, tuple[str, int]] = {}
        self._order: list[tuple[str, int]] = []
        self._file = path.open("a+b")

    def __enter__(self) -> Self:
        self._read()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        with self._path.open("rb") as file:
            for _, place in self._order:
                file.seek(place)
                yield parse_json(file.readline())["value"]

    def __contains__(self, key: str) -> bool:
        """Whether an earlier run noted something under this key, fit or not."""
        return key in self._known

    def __len__(self) -> int:
        return len(self._order)

    def lookup(self, key: str, stamp: str, *, fits: Callable[[Any], bool] = lambda value: True) -> Any | None:
        """What an earlier run noted under this key for the same stamp, and notes it for this one; None when there is nothing that fits."""
        known = self._known.get(key)
        if known is None or known[0] != stamp:
            return None
        self._file.seek(known[1])
        value = parse_json(self._file.readline())["value"]
        if not fits(value):
            return None
        self._order.append((key, known[1]))
        return value

    def sort(self, number: Callable[[str], int]) -> None:
        """Let iterating go by the number of each key."""
        self._order.sort(key=lambda each: number(each[0]))

    def append(self, key: str, stamp: str, value: Any) -> None:
        """Keep a value; it is on the disk's way when this returns."""
        place = self._file.seek(0, 2)
        self._file.write(json.dumps({"key": key, "stamp": stamp, "value": value}).encode() + b"\n")
        self._file.flush()
        self._order.append((key, place))

    def _read(self) -> None:
        self._file.seek(0)
        if _decode_line(self._file.readline()) != {"terms": self._terms}:
            self._file.truncate(0)
            self._file.write(json.dumps({"terms": self._terms}).encode() + b"\n")
            self._file.flush()
            return
        place = self._file.tell()
        for line in self._file:
            entry = _decode_line(line)
            if entry is None:  # the line that was being written when the run was killed
                break
            self._known[entry["key"]] = (entry["stamp"], place)
            place += len(line)
        self._file.truncate(place)


def digest(value: Any) -> str:
    """Of anything that JSON can say, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _decode_line(line: bytes) -> dict[str, Any] | None:
    try:
        found = parse_json(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
