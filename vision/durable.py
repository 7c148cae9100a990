"""Files that appear whole, and what was written brought to the disk. Knows nothing of what it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
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
