"""A folder for pictures that lie inside a data set's files, gone when the program ends: uploads are sent from files."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path, PurePosixPath


def new_folder() -> Path:
    """An empty folder of the caller's own."""
    return Path(tempfile.mkdtemp(dir=_root().name))


def write(folder: Path, name: str, content: bytes) -> Path:
    """A file of this name, whatever folders the name speaks of; a second one of a name goes beside the first."""
    plain = PurePosixPath(name.replace("\\", "/")).name or "picture"
    path = folder / plain
    if path.exists():
        path = Path(tempfile.mkdtemp(dir=folder)) / plain
    path.write_bytes(content)
    return path


@cache
def _root() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="dinolabel-import-")
