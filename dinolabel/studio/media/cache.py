"""Downloaded files on this machine: whole or not there, within a bound, found again by the address they came from.

Safe for several processes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

log = structlog.get_logger(__name__)

IN_USE_SECONDS = 120.0
"""A file that was asked for so lately is not removed: somebody may be about to open it."""
ROOM_MADE = 0.9
"""When the bound is passed, the least lately used go until this part of it is left."""
LOOKED_AFTER = 0.02
"""The folder is measured again whenever this part of the bound has been added."""
ABANDONED_SECONDS = 3600.0


class MediaCache:
    """folder: made when needed. max_mb: of all files together; passed only by what is in use right now."""

    def __init__(self, folder: Path, *, max_mb: int) -> None:
        self.folder = folder
        self._bound = max_mb * 2**20
        self._unmeasured = self._bound  # the first file makes us look at what earlier runs left

    def get(self, key: str) -> Path | None:
        """The file of an address. Its name carries its length, so one that the disk cut short is a miss."""
        home, stem = self._home(key)
        with suppress(FileNotFoundError, NotADirectoryError):
            for each in os.scandir(home):
                name, _, size = each.name.partition(".")
                if name == stem and size and each.stat().st_size == int(size, 16) > 0:
                    with suppress(OSError):
                        os.utime(each.path)
                    return Path(each.path)
        return None

    def put(self, key: str, write: Callable[[IO[bytes]], None], check: Callable[[Path], None]) -> Path:
        """Write, check, then show to others under the address; nothing is left of what raises. Returns the file."""
        home, stem = self._home(key)
        home.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="part-", dir=home)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            check(Path(name))
            size = os.path.getsize(name)
            place = home / f"{stem}.{size:x}"
            os.replace(name, place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._grown(size)
        return place

    def _home(self, key: str) -> tuple[Path, str]:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / digest[:2], digest[2:40]

    def _grown(self, size: int) -> None:
        self._unmeasured += size
        if self._unmeasured >= self._bound * LOOKED_AFTER:
            self._unmeasured = 0
            self._keep_bound()

    def _keep_bound(self) -> None:
        now = time.time()
        found = list(_files(self.folder))
        total = sum(status.st_size for _, status in found)
        target = self._bound if total <= self._bound else self._bound * ROOM_MADE
        removed = 0
        for path, status in sorted(found, key=lambda each: each[1].st_mtime):
            half = Path(path).name.startswith("part-")
            if now - status.st_mtime < (ABANDONED_SECONDS if half else IN_USE_SECONDS):
                continue
            if half or total > target:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                total -= status.st_size
                removed += 1
        if removed:
            log.info("media_cache_bounded", removed=removed, left_mb=round(total / 2**20))


def _files(folder: Path) -> list[tuple[str, os.stat_result]]:
    found = []
    for home, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                path = os.path.join(home, name)
                found.append((path, os.stat(path)))
    return found
