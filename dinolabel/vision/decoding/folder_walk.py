"""The files below a folder that a person means: without what file managers, NAS boxes and operating systems leave beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

HIDDEN = frozenset(
    {
        "@eadir", "@tmp", "#recycle", "#snapshot",  # Synology
        "@recycle", "@recently-snapshot", "@transcode",  # QNAP
        "$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini",  # Windows
        "__macosx",  # zip files of macOS
        "lost+found",  # Linux file systems
    }
)  # fmt: skip
"""Names, lower case, of what is no file of a person although it does not begin with a full stop."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out: `.…` (`._a.jpg`, `.thumbnails`, `.Trash-1000`, …) and HIDDEN, in any case."""
    return name.startswith(".") or name.lower() in HIDDEN


def in_hidden(parts: Iterable[str]) -> bool:
    """Whether a path, given by its parts below the folder that was named, is hidden itself or in something hidden."""
    return any(is_hidden(part) for part in parts)


def files(root: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones left out; links to folders are not followed. What the folder itself is in does not count."""
    for home, folders, names in os.walk(root):
        folders[:] = sorted(each for each in folders if not is_hidden(each))
        for name in sorted(names):
            path = Path(home, name)
            if not is_hidden(name) and path.is_file():
                yield path
