"""The list of the files that an export wrote, kept in its folder: only what is on it, and unchanged, is ever replaced or removed.

Lines of JSON in `.dinolabel-files`, hidden and without a suffix so that no reader of data sets takes it for data: first the format and
which export it was, then path, size and SHA-256 of each file.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dinolabel.vision.errors import RequestError
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json

FILE = ".dinolabel-files"
EARLIER = ".dinolabel-files.jsonl"
"""What the list was called at first: read where it lies, and replaced by the next export."""
LISTS = (FILE, EARLIER)
FORMAT = 1


class FileListUnreadable(RequestError):
    """An export's list of its own files is damaged, or of a later version: nobody can tell which files there are ours."""

    hint = "Update dinolabel, or name another folder with --out. Without the list only what its own index names is recognised."


@dataclass(frozen=True, slots=True)
class FileEntry:
    """path: relative, with forward slashes. size: bytes. sha256: of its content, hexadecimal."""

    path: str
    size: int
    sha256: str


def write(folder: Path, export: str, paths: Iterable[str] | None = None) -> None:
    """List these files of a folder, or every one that is there; the list appears whole."""
    listed = files(folder) if paths is None else iter(sorted(paths))
    save(folder / FILE, export, (entry(folder, each) for each in listed if not (each.endswith("/") or FILE in each)))


def where(folder: Path) -> Path:
    """The list of a folder, there or not."""
    return folder / (EARLIER if (folder / EARLIER).is_file() and not (folder / FILE).is_file() else FILE)


def export_of(folder: Path) -> str | None:
    """Which export the list is of; None where there is no list. Raises FileListUnreadable."""
    try:
        with where(folder).open(encoding="utf-8") as lines:
            head = parse_json(lines.readline())
        known, export = head["format"], str(head["export"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileListUnreadable(f"{where(folder)} cannot be read: {type(error).__name__} {error}.") from error
    if known != FORMAT:
        raise FileListUnreadable(f"{where(folder)} has format {known}; this dinolabel reads {FORMAT}.")
    return export


def entries(folder: Path) -> Iterator[FileEntry]:
    """Every file on the list, changed or gone since or not; none where there is no list. Raises FileListUnreadable."""
    if export_of(folder) is not None:
        yield from read(where(folder))


def read(path: Path) -> Iterator[FileEntry]:
    """Every entry of a list that lies anywhere. Raises FileListUnreadable."""
    try:
        with path.open(encoding="utf-8") as lines:
            next(lines, None)
            for line in lines:
                yield FileEntry(**parse_json(line))
    except (OSError, ValueError, TypeError) as error:
        raise FileListUnreadable(f"{path} cannot be read: {type(error).__name__} {error}.") from error


def is_unchanged(folder: Path, each: FileEntry) -> bool:
    """Whether the file is there as it was written; never of one that a link leads to."""
    path = inside(folder, each.path)
    return path is not None and path.stat().st_size == each.size and sha256_of_file(path) == each.sha256


def update(folder: Path, *, changed: Collection[str] = (), moved: Mapping[str, str] | None = None) -> None:
    """Bring the list up to date after we changed, added, removed or moved files of our own. A folder without a list stays without one.

    A file that was moved keeps the digest it was written with: what a person changed in it stays theirs.
    """
    export = export_of(folder)
    if export is None:
        return
    to = moved or {}

    def now() -> Iterator[FileEntry]:
        left = set(changed)
        for each in entries(folder):
            path = to.get(each.path, each.path)
            if path in left:
                continue
            if os.path.lexists(folder / path):
                yield FileEntry(path, each.size, each.sha256)
        yield from (entry(folder, each) for each in sorted(left) if inside(folder, each) is not None)

    save(where(folder), export, now())


def entry(folder: Path, path: str) -> FileEntry:
    """A file as it is now."""
    return FileEntry(path, (folder / path).stat().st_size, sha256_of_file(folder / path))


def files(folder: Path) -> Iterator[str]:
    """Relative paths of everything below a folder that is no folder itself, links included and never followed; and of empty folders,
    which end with a slash. Sorted within each folder."""
    for place, inner, names in os.walk(folder):
        inner.sort()
        here = Path(place).relative_to(folder)
        links = [each for each in inner if os.path.islink(os.path.join(place, each))]
        yield from ((here / each).as_posix() for each in sorted([*names, *links]))
        if not (inner or names) and place != str(folder):
            yield f"{here.as_posix()}/"


def inside(folder: Path, path: str) -> Path | None:
    """The regular file at a relative path, None where there is none, or where the way to it leaves the folder or goes over a link."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts:
        return None
    found = folder
    try:
        for part in parts[:-1]:
            found /= part
            if not stat.S_ISDIR(found.lstat().st_mode):
                return None
        found /= parts[-1]
        return found if stat.S_ISREG(found.lstat().st_mode) else None
    except (OSError, ValueError):
        return None


def remove(folder: Path, path: str) -> bool:
    """Remove a regular file of a folder, and the folders above it that are empty then; whether it was there."""
    found = inside(folder, path)
    if found is None:
        return False
    found.unlink()
    prune(folder, found.parent)
    return True


def prune(folder: Path, place: Path) -> None:
    """Remove `place` and what is above it, below `folder`, as long as it is empty."""
    while place != folder and folder in place.parents:
        try:
            place.rmdir()
        except OSError:
            return
        place = place.parent


def save(path: Path, export: str, listed: Iterable[FileEntry]) -> None:
    """A list as a file, whole or not at all."""
    with atomic_file(path) as half, half.open("w", encoding="utf-8", newline="\n") as lines:
        lines.write(json.dumps({"format": FORMAT, "export": export}) + "\n")
        lines.writelines(json.dumps(asdict(each)) + "\n" for each in listed)
