"""A folder that appears whole or not at all, and goes on where it was stopped."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dinolabel.exporters import unlisted_files
from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.staging import (
    JOURNAL,
    LOCK,
    PARTIAL,
    PATHS,
    UNFINISHED,
    ExportRefused,
    RequestedPaths,
    StagingFolder,
    stopped_places,
    unfinished_path,
)

__all__ = ["UNFINISHED", "ExportRefused", "OutputFolder", "atomic_folder", "refuse_foreign_folder", "resumable_folder", "unfinished_path"]


@contextmanager
def resumable_folder(out: Path, *, name: str) -> Iterator[tuple[Path, Path]]:
    """Like `atomic_folder`, but what was written stays beside `out` when the block is stopped, and the next call finds it again.

    Yields the folder to write and the path of a journal that may tell what is in it. A second export to `out` at the same time works in
    a folder of its own and cannot be resumed.
    """
    out = Path(os.path.realpath(out))
    place = StagingFolder(unfinished_path(out), out)
    try:
        lock = place.lock()
    except OSError as error:
        raise ExportRefused(f"{out} cannot be made: {error.strerror}.") from error
    if lock is None:
        with atomic_folder(out, name=name) as partial, tempfile.TemporaryDirectory() as beside:
            yield partial, Path(beside) / JOURNAL
        return
    with lock:
        try:
            place.begin()
            refuse_foreign_folder(out, name=name)
        except BaseException:
            place.leave()
            raise
        yield place.whole, place.folder / JOURNAL
        file_list.write(place.whole, name)
        place.exchange(name)
        place.discard()


@contextmanager
def atomic_folder(out: Path, *, name: str) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when the block ends well, and vanishes when it does not.

    name: which export it is. Of an earlier one there our unchanged files are replaced, what a person added stays. Raises ExportRefused
    when `out` holds other things or cannot be made.
    """
    out = Path(os.path.realpath(out))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        refuse_foreign_folder(out, name=name)
        place = StagingFolder(Path(tempfile.mkdtemp(prefix=f".{out.name}{PARTIAL}", dir=out.parent)), out)
        lock = place.lock()
        place.whole.mkdir()
    except OSError as error:
        raise ExportRefused(f"{out} cannot be made: {error.strerror}.") from error
    assert lock is not None, "nobody else knows of the folder"
    with lock:
        try:
            yield place.whole
            file_list.write(place.whole, name)
            place.exchange(name)
        finally:
            place.settle()
            place.discard()


def refuse_foreign_folder(out: Path, *, name: str) -> None:
    """Raises ExportRefused when `out` is a file, or a folder that has things in it but no export of this name."""
    if out.exists() and not out.is_dir():
        raise ExportRefused(f"{out} is a file.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    there = file_list.export_of(out) or unlisted_files.export_of(out)
    if there is None:
        raise ExportRefused(f"{out} holds other things than an export; it is left as it is.")
    if there != name:
        raise ExportRefused(f"{out} holds an export of {there}; it is left as it is.", hint="Name another folder with --out.")


class OutputFolder:
    """A folder being filled. Files of an earlier, stopped run that this one did not ask for again go when it is tidied.

    What is asked for is noted beside the folder first, so that after a stop our files can be told from others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked: set[str] = set()
        self._noted = folder.parent / PATHS
        self._known = RequestedPaths(self._noted)
        self._handle: int | None = None

    def path(self, relative: str) -> Path:
        """Where a file goes; its folder is there."""
        path = self.folder / relative
        if relative not in self._asked:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._note(relative)
        return path

    def claim(self, relative: str) -> Path:
        """A folder in which a library is about to write files of its own naming."""
        self._note(f"{relative}/")
        return self.folder / relative

    def move(self, relative: str, to: str) -> None:
        """A file of ours to another place; a stopped run that looks for it at its first one makes it again."""
        os.replace(self.folder / relative, self.path(to))
        self._asked.discard(relative)

    def adopt(self) -> None:
        """Keep every file that is there: a library wrote them."""
        self._asked.update(file_list.files(self.folder))

    def tidy(self) -> None:
        """Remove every file that nobody asked for, and folders left empty by it."""
        for path in list(file_list.files(self.folder)):
            if path not in self._asked:
                with suppress(OSError):
                    (self.folder / path).rmdir() if path.endswith("/") else (self.folder / path).unlink()
                file_list.prune(self.folder, (self.folder / path).parent)

    def _note(self, relative: str) -> None:
        if relative not in self._known and (handle := self._log()) is not None:
            os.write(handle, json.dumps(relative).encode() + b"\n")
        self._asked.add(relative)

    def _log(self) -> int | None:
        """Where paths are noted, opened once; None for a folder that is no place of an export."""
        if self._handle is None and self._noted.with_name(LOCK).is_file():
            self._handle = os.open(self._noted, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            weakref.finalize(self, os.close, self._handle)
        return self._handle


def _sweep(out: Path) -> None:
    """End and remove what killed runs left beside `out`; a run that goes on holds its lock."""
    for place in stopped_places(out):
        if PARTIAL not in place.folder.name or (lock := place.lock()) is None:
            continue
        with lock:
            place.settle()
            place.discard()
