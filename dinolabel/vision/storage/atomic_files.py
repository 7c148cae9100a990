"""Files that appear whole, what was written brought to the disk, damaged databases set aside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Where to write instead of `path`: it takes that place when the block ends well, so nobody ever reads half of a file."""
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    try:
        yield half
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Push a file or folder to the disk, where the system can (Windows cannot open folders)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_aside(database: Path) -> Path:
    """Move a damaged SQLite file to `….damaged`, with its write-ahead log, which SQLite would play into the new file. Where it is now."""
    aside = database.with_name(f"{database.name}.damaged")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(database.with_name(database.name + suffix), aside.with_name(aside.name + suffix))
    return aside
