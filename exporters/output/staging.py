"""The hidden folder beside an export in which it is made, and the exchange of an earlier export by it without losing a person's file.

`.NAME.unfinished` waits for the next run, `.NAME.partial-…` serves one run alone; both hold a lock, the new folder `whole`, and during the
exchange the folder of before as `earlier`. Whatever stops us, `settle` brings it to an end the next time.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from dinolabel.exporters import unlisted_files
from dinolabel.exporters.output import file_list
from dinolabel.vision.errors import RequestError
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.json_text import parse_json

UNFINISHED, PARTIAL = ".unfinished", ".partial-"
LOCK, WHOLE, EARLIER = "lock", "whole", "earlier"
JOURNAL, PATHS, REPLACED, LINKED = "journal.jsonl", "paths.jsonl", "replaced.jsonl", "linked.jsonl"
SCRATCH = "scratch-"  # how folders begin that a format needs while it writes
OURS = (JOURNAL, PATHS, REPLACED, LINKED, LOCK)  # the lock goes last: without it a place is nobody's

log = structlog.get_logger(__name__)


class ExportRefused(RequestError):
    """The folder to write holds something that is no earlier export of the same format, or a file of somebody where one is to go."""

    hint = "Name a new or empty folder with --out."


@dataclass(frozen=True)
class StagingFolder:
    """folder: the hidden one. out: where the export is to appear, links on the way resolved."""

    folder: Path
    out: Path

    @property
    def whole(self) -> Path:
        return self.folder / WHOLE

    @property
    def earlier(self) -> Path:
        return self.folder / EARLIER

    def lock(self) -> IO[str] | None:
        """The lock, held until it is closed, in a folder that is there then; None when another run has it. Raises OSError."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / LOCK).open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
            with suppress(FileNotFoundError):  # a run that ended just now took it with it
                if os.path.samestat(os.fstat(file.fileno()), (self.folder / LOCK).stat()):
                    return file
            file.close()

    def begin(self) -> None:
        """End what a stopped run left half exchanged, and put aside what is not ours from the folder that is being filled."""
        self.settle()
        self.whole.mkdir(parents=True, exist_ok=True)
        for each in self.folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(each, ignore_errors=True)
        if not (self.folder / PATHS).exists():
            (self.folder / PATHS).touch()
            if (self.folder / JOURNAL).exists():
                return  # a run from before paths were noted
        ours = RequestedPaths(self.folder / PATHS)
        for path in file_list.files(self.whole):
            if not (path.endswith("/") or path in ours or file_list.FILE in path):
                _move(self.whole / path, self.folder / "not ours" / path)
                log.warning("file_kept", path=str(self.folder / "not ours" / path))

    def settle(self) -> None:
        """Bring an exchange that was stopped to its end: everything a person had is in `out` afterwards."""
        if self.earlier.is_dir():
            if not self.out.exists() and self.whole.is_dir():
                os.rename(self.whole, self.out)
            elif not self.out.exists():
                os.rename(self.earlier, self.out)
                return
            self._clear()
        elif (linked := self.folder / LINKED).is_file():
            for path in _list_files(linked):
                if _same(self.whole / path, self.out / path):
                    (self.whole / path).unlink()
            linked.unlink()

    def exchange(self, export: str) -> None:
        """Let the new folder take its place: our unchanged files of before go, a person's stay where they are.

        Raises ExportRefused, before anything is touched, when a person's file lies where a new one is to go.
        """
        theirs = self._foreign_files(export) if self.out.is_dir() else []
        for path in theirs:
            clash = _clash(self.whole, path)
            if clash and not (clash == path and _equal_content(self.whole / path, self.out / path)):
                raise ExportRefused(
                    f"{self.out / clash} is not a file of an export, or was changed since; the export would write over it.",
                    hint="Move it away and run the same command again: the export goes on where it was. Or name another folder with --out.",
                )
        (self.folder / LINKED).write_text("".join(json.dumps(each) + "\n" for each in theirs), encoding="utf-8")
        for path in theirs:
            _link(self.out / path, self.whole / path)
        try:
            if self.out.is_dir():
                os.rename(self.out, self.earlier)
            os.rename(self.whole, self.out)
        except OSError as error:
            if self.earlier.is_dir() and not self.out.exists():
                os.rename(self.earlier, self.out)
            raise ExportRefused(f"{self.out} cannot be replaced: {error.strerror}.", hint="Name a folder that can be renamed.") from error
        (self.folder / LINKED).unlink(missing_ok=True)
        self._clear()

    def discard(self) -> None:
        """Remove the place with what we made in it. What a person put there, or an exchange could not give back, stays."""
        if self.earlier.exists():
            return
        for each in (self.whole, *self.folder.glob(f"{SCRATCH}*")):
            shutil.rmtree(each, ignore_errors=True)
        for each in (*self.folder.glob(".*.half"), *(self.folder / name for name in OURS)):
            each.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def leave(self) -> None:
        """Remove the place if nothing was written in it yet."""
        if not (self.folder / JOURNAL).exists() and not any(file_list.files(self.whole)):
            self.discard()

    def _foreign_files(self, export: str) -> list[str]:
        """What is in `out` and not ours, or changed since; a list of the others is left for the exchange."""
        ours: set[str] = {*file_list.LISTS}

        def written() -> Iterator[file_list.FileEntry]:
            for each in own_files(self.out, export):
                ours.add(each.path)
                yield each

        file_list.save(self.folder / REPLACED, export, written())
        return [each for each in file_list.files(self.out) if each not in ours]

    def _clear(self) -> None:
        """After the exchange: remove our files of before, and give back what is not ours and is not there yet."""
        for each in file_list.read(self.folder / REPLACED) if (self.folder / REPLACED).is_file() else ():
            if file_list.is_unchanged(self.earlier, each):
                file_list.remove(self.earlier, each.path)
        for name in file_list.LISTS:
            (self.earlier / name).unlink(missing_ok=True)
        written = {each.path for each in file_list.entries(self.out)} if any(True for _ in file_list.files(self.earlier)) else set()
        for path in list(file_list.files(self.earlier)):
            source, target = self.earlier / path, self.out / path
            if _same(source, target):
                source.unlink()
            elif path.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                source.rmdir()
            elif path in written and _equal_content(source, target):
                source.unlink()
            elif path in written or _clash(self.out, path) not in (None, path):
                log.warning("file_kept", path=str(source), why="a new file has its name")
                continue
            else:
                _move(source, target)  # it came, or was saved again, while the export ran
            file_list.prune(self.earlier, source.parent)
        with suppress(OSError):
            self.earlier.rmdir()


class RequestedPaths:
    """The paths that a run asked to write, on disk before it wrote them: what is not among them is not ours."""

    def __init__(self, log: Path) -> None:
        self._paths = set(_list_files(log)) if log.is_file() else set()

    def __contains__(self, path: str) -> bool:
        """Also a half-written file of one of them, and what a library wrote into a folder that was asked for."""
        name = Path(path).name
        if path in self._paths or any(f"{each.as_posix()}/" in self._paths for each in Path(path).parents):
            return True
        if not name.startswith(".") or not name.endswith((".part", ".half")):
            return False
        bare = name[1:].removesuffix(".part") if name.endswith(".part") else name[1:].removesuffix(".half").rpartition(".")[0]
        return Path(path).with_name(bare).as_posix() in self._paths if bare else False


def unfinished_path(out: Path) -> Path:
    """Where a stopped export to `out` waits to go on."""
    real = Path(os.path.realpath(out))
    return real.with_name(f".{real.name}{UNFINISHED}")


def stopped_places(out: Path) -> Iterator[StagingFolder]:
    """Places of exports to `out` that are there, running or stopped; a folder of like name without our lock is somebody's own."""
    real = Path(os.path.realpath(out))
    found = [unfinished_path(out)]
    with suppress(OSError):
        found += sorted(each for each in real.parent.iterdir() if each.name.startswith(f".{real.name}{PARTIAL}"))
    yield from (
        StagingFolder(each, real) for each in found if not each.is_symlink() and ((each / LOCK).is_file() or (each / JOURNAL).is_file())
    )


def own_files(folder: Path, export: str) -> Iterator[file_list.FileEntry]:
    """Files of an export that are ours and unchanged: those on its list, or those that an export without one lets us recognise."""
    if file_list.export_of(folder) is not None:
        yield from (each for each in file_list.entries(folder) if file_list.is_unchanged(folder, each))
    else:
        yield from (file_list.entry(folder, each) for each in unlisted_files.recognise_files(folder, export))


def _clash(folder: Path, path: str) -> str | None:
    """The part of a path that is taken in the folder by a file, or at its end by anything; None when it is free."""
    parts = Path(path).parts
    for length in range(1, len(parts) + 1):
        at = Path(*parts[:length])
        taken = folder / at
        if not os.path.lexists(taken):
            return None
        if not taken.is_dir() or taken.is_symlink() or (length == len(parts) and not path.endswith("/")):
            return at.as_posix()
    return None


def _link(source: Path, to: Path) -> None:
    """Let a file be at both places, so that no moment finds it nowhere. Where links cannot be, the exchange moves it afterwards."""
    if source.is_dir() and not source.is_symlink():
        to.mkdir(parents=True, exist_ok=True)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(to):
        return  # the same, letter by letter
    try:
        os.link(source, to, follow_symlinks=False)
    except OSError as error:
        log.debug("no_link", path=str(source), why=error.strerror)


def _move(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, to)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _equal_content(one: Path, other: Path) -> bool:
    """Whether two regular files have the same content."""
    if any(each.is_symlink() or not each.is_file() for each in (one, other)):
        return False
    return one.stat().st_size == other.stat().st_size and sha256_of_file(one) == sha256_of_file(other)


def _list_files(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError):  # the line that was being written when the run was killed
                yield str(parse_json(line))
