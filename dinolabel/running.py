"""What one `dinolabel up` leaves for other commands to find: where its Label Studio is and how to talk to it.

Knows nothing of Label Studio itself. A lock held for life says whether the note is still true, so a crash leaves no lie behind.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vision.errors import RequestError

NOTE = "running.json"
LOCK = "up.lock"


@dataclass(frozen=True, slots=True)
class Running:
    """A live `dinolabel up`: Label Studio's address and token, the project on show, the process that owns it all."""

    url: str
    token: str = field(repr=False)
    project: int
    pid: int


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


def announce(data_dir: Path, running: Running) -> None:
    """Leave the note, readable by this user only. Call while holding the claim."""
    write_private(data_dir / NOTE, json.dumps(asdict(running)))


def find(data_dir: Path) -> Running | None:
    """The `up` that runs on this data folder now, else None."""
    with suppress(FileNotFoundError, json.JSONDecodeError, TypeError):
        note = Running(**json.loads((data_dir / NOTE).read_text(encoding="utf-8")))
        return note if _claimed(data_dir) else None
    return None


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; mode 0600 from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(half, path)


def _claimed(data_dir: Path) -> bool:
    with (data_dir / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
