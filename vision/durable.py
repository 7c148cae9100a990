"""Makes sure that what was written is on the disk. Knows nothing of what it is."""

from __future__ import annotations

import os
from pathlib import Path


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
