"""A folder that appears whole or not at all, and goes on where it was stopped.

Knows folders only; what a format writes into it is the format's business.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vision.errors import RequestError

UNFINISHED = ".unfinished"
STALE_SECONDS = 24 * 3600  # a half-made folder older than this belongs to a run that was killed


class ExportRefused(RequestError):
    """The folder to write holds something that is no earlier export of the same format."""

    hint = "Name a new or empty folder with --out."


@contextmanager
def resumed(out: Path, *, mark: str) -> Iterator[tuple[Path, Path]]:
    """Like `whole`, but what was written stays beside `out` when the block is stopped, and the next call finds it again.

    Yields the folder to write and the path of a journal that may tell what is in it. A second export to `out` at the same time works in
    a folder of its own and cannot be resumed.
    """
    out = out.absolute()
    refuse_strangers(out, mark=mark)
    place = unfinished(out)
    try:
        _sweep(out)
        (place / "whole").mkdir(parents=True, exist_ok=True)
        lock = (place / "lock").open("w")
    except OSError as error:
        raise ExportRefused(f"{out} cannot be made: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with whole(out, mark=mark) as partial, tempfile.TemporaryDirectory() as beside:
                yield partial, Path(beside) / "journal.jsonl"
            return
        (place / "whole").mkdir(parents=True, exist_ok=True)  # a run that ended just now took it with it
        yield place / "whole", place / "journal.jsonl"
        _swap(place / "whole", out)
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def whole(out: Path, *, mark: str) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when the block ends well, and vanishes when it does not.

    mark: the file that tells an earlier export, which is replaced. Raises ExportRefused when `out` holds other things or cannot be made.
    """
    out = out.absolute()
    refuse_strangers(out, mark=mark)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        partial = Path(tempfile.mkdtemp(prefix=_prefix(out), dir=out.parent))
        partial.chmod(0o755)
    except OSError as error:
        raise ExportRefused(f"{out} cannot be made: {error.strerror}.") from error
    try:
        yield partial
        _swap(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_strangers(out: Path, *, mark: str) -> None:
    """Raises ExportRefused when `out` is a file, or a folder that has things in it but not `mark`."""
    if out.exists() and not out.is_dir():
        raise ExportRefused(f"{out} is a file.")
    if out.is_dir() and any(out.iterdir()) and not (out / mark).is_file():
        raise ExportRefused(f"{out} holds other things than an export; it is left as it is.")


def unfinished(out: Path) -> Path:
    """Where a stopped export to `out` waits to go on."""
    return out.with_name(f".{out.name}{UNFINISHED}")


class Tray:
    """A folder being filled. Files of an earlier, stopped run that this one did not ask for again go when it is tidied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked: set[str] = set()

    def path(self, relative: str) -> Path:
        """Where a file goes; its folder is there."""
        path = self.folder / relative
        if relative not in self._asked:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._asked.add(relative)
        return path

    def adopt(self) -> None:
        """Keep every file that is there: a library wrote them."""
        self._asked.update(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))

    def tidy(self) -> None:
        """Remove every file that nobody asked for, and folders left empty by it."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):
                    path.rmdir()  # only an empty one goes
            elif path.relative_to(self.folder).as_posix() not in self._asked:
                path.unlink()


def _swap(partial: Path, out: Path) -> None:
    earlier = partial.with_name(f"{partial.name}-earlier")
    if out.exists():
        os.replace(out, earlier)
    try:
        os.replace(partial, out)
    except OSError:
        if earlier.exists():
            os.replace(earlier, out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _sweep(out: Path) -> None:
    for left in out.parent.glob(f"{_prefix(out)}*"):
        with suppress(FileNotFoundError):  # another export may sweep at the same time
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _prefix(out: Path) -> str:
    return f".{out.name}.partial-"
