"""What a live `dinolabel up` or `dinolabel serve` leaves for other commands to find: where it is, and with which settings it runs.

A lock held for life says whether a note is still true, so a crash leaves no lie behind.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

NOTE = "running.json"
LOCK = "up.lock"
SERVING = "serving.json"
SERVING_LOCK = "serve.lock"


@dataclass(frozen=True, slots=True)
class UpState:
    """A live `dinolabel up`: Label Studio's address and token, the project on show, the process that owns it all.

    settings: those of its backend that decide what is found and named, as JSON has them.
    """

    url: str
    token: str = field(repr=False)
    project: int
    pid: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Serving:
    """A live `dinolabel serve`: its own address, its process, and its settings as UpState has them. No token: that stays where it was."""

    url: str
    pid: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def claim(data_dir: Path) -> Iterator[None]:
    """Be the only `up` of this data folder. Raises RequestError when there is one already."""
    with (data_dir / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RequestError(
                f"`dinolabel up` is already running with the data folder {data_dir}.",
                hint="Use that one, stop it with Ctrl-C, or give this one another folder: --data DIR.",
            ) from error
        try:
            yield
        finally:
            (data_dir / NOTE).unlink(missing_ok=True)


def announce(data_dir: Path, running: UpState) -> None:
    """Leave the note, readable by this user only. Call while holding the claim."""
    write_private(data_dir / NOTE, json.dumps(asdict(running)))


def find(data_dir: Path) -> UpState | None:
    """The `up` that runs on this data folder now, else None."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        note = UpState(**parse_json((data_dir / NOTE).read_text(encoding="utf-8")))
        return note if _held(data_dir / LOCK) and isinstance(note.settings, dict) else None
    return None


@contextmanager
def serving(data_dir: Path, note: Serving) -> Iterator[None]:
    """Leave the note of a `serve` while it runs. Call when it is the only one of this data folder: jobs see to that."""
    with (data_dir / SERVING_LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_private(data_dir / SERVING, json.dumps(asdict(note)))
        try:
            yield
        finally:
            (data_dir / SERVING).unlink(missing_ok=True)


def find_serving(data_dir: Path) -> Serving | None:
    """The `serve` that runs on this data folder now, that of `up` too; else None."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        note = Serving(**parse_json((data_dir / SERVING).read_text(encoding="utf-8")))
        return note if _held(data_dir / SERVING_LOCK) and isinstance(note.settings, dict) else None
    return None


def check_free(data_dir: Path, project: int) -> None:
    """Raises RequestError when the `up` of this data folder has the project: what moves or leaves it would break that."""
    note = find(data_dir)
    if note is not None and note.project == project:
        raise RequestError(
            f"`dinolabel up` runs with this project {project}; stop it first.",
            hint="Press Ctrl-C where it runs. It looks after the project by itself: nothing has to be attached.",
        )


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; mode 0600 from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(half, path)


def _held(path: Path) -> bool:
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
