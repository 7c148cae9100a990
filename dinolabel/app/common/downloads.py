"""Download folder: what the page made and a person may take; gone with the app, whatever ended it."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PREFIX = "dinolabel-app-"
KEPT_SECONDS = 24 * 3600.0


class DownloadFolder:
    """In the system's folder for temporary files. What an app that was killed left there longer than a day ago is swept at start."""

    def __init__(self, *, root: Path | None = None, now: Callable[[], float] = time.time) -> None:
        self._now = now
        home = root or Path(tempfile.gettempdir())
        for old in home.glob(f"{PREFIX}*"):
            if now() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))

    def place(self) -> Path:
        """A new folder for one answer; answers of more than a day ago are swept."""
        for old in self.folder.iterdir():
            if self._now() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir()
        return folder

    def keep(self, name: str, write: Callable[[Path], object]) -> str:
        """Path of a new file of that name, as near to it as a file name can be; write fills it."""
        target = self.place() / (re.sub(r"[^\w.-]+", "-", name).strip("-") or "file")
        write(target)
        return str(target)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
