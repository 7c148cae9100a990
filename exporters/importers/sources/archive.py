"""A zip of a data set, unpacked into a folder that is gone when the program ends: bounded, and nothing of it lands anywhere else."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from dinolabel.exporters.importers.common import temporary_folder
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportUnreadable
from dinolabel.vision.decoding.folder_walk import in_hidden, is_hidden
from dinolabel.vision.errors import first_line

MOST_FILES = 500_000
MOST_BYTES = 100_000_000_000
"""Of what a zip holds; COCO 2017 has 118,287 pictures of 19 GB in its largest."""
FREE = 500_000_000
"""Bytes that stay free on the disk."""
MOST_TIMES = 150
"""How much larger than the zip its content may be: pictures are compressed already, label files shrink to a tenth."""
SMALL = 500_000_000
"""Bytes below which nobody asks how well they were compressed."""
OTHERS = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
UNPACK = "Unpack it, and name the folder."


def is_archive(path: Path) -> bool:
    """Whether it is a zip, by its first bytes or its name. Raises ImportUnreadable for archives of other kinds."""
    if not path.is_file():
        return False
    if path.suffix.lower() in OTHERS:
        raise ImportUnreadable(f"{path.name} is an archive of a kind that is not read.", hint=UNPACK)
    with path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6") or path.suffix.lower() == ".zip"


def unpack(path: Path, reading: ImportLog) -> Path:
    """The folder with what a zip holds, called as the zip is. Raises ImportUnreadable."""
    folder = temporary_folder.new_folder() / (path.stem or "zip")
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(path, entries, shutil.disk_usage(folder).free)
            left = sum(not _write(archive, entry, folder) for entry in entries if not entry.is_dir() and not _is_hidden(entry))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise ImportUnreadable(f"{path.name} is no zip that can be read: {first_line(error)}.", hint=UNPACK) from error
    except OSError as error:
        raise ImportUnreadable(f"The zip {path.name} cannot be unpacked: {error.strerror or error}.", hint=UNPACK) from error
    if left:
        reading.note(f"{left} files of {path.name} are links, or lead out of it, and are left out")
    return folder


def _check(path: Path, entries: list[zipfile.ZipInfo], free: int) -> None:
    if any(entry.flag_bits & 1 for entry in entries):
        raise ImportUnreadable(f"The zip {path.name} is locked with a password.", hint=UNPACK)
    size, packed = sum(entry.file_size for entry in entries), max(1, path.stat().st_size)
    if len(entries) > MOST_FILES or size > MOST_BYTES or (size > SMALL and size > MOST_TIMES * packed):
        said = f"{len(entries):,} files of {size / 1e9:.1f} GB"
        raise ImportUnreadable(f"The zip {path.name} would unpack to {said}, which may be an attack on this machine's disk.", hint=UNPACK)
    if size > free - FREE:
        said = f"needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free where temporary files lie"
        raise ImportUnreadable(f"The zip {path.name} {said}.", hint="Name another place for them by TMPDIR, or unpack it.")


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> bool:
    """False for what is left out: links, and names that lead out of the folder or lie in what is a file already."""
    names = _parts(entry)
    if names is None or stat.S_ISLNK(entry.external_attr >> 16):
        return False
    target = folder.joinpath(*names)
    if target.exists() or any(each.is_file() for each in list(target.parents)[: len(names) - 1]):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)  # no more than the zip says: what follows is an error of its checksum
    return True


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...] | None:
    """The folders and name of an entry, None when they lead elsewhere."""
    path = PurePosixPath(_name(entry).replace("\\", "/"))
    names = [each for each in path.parts if each != "."]
    if path.is_absolute() or not names or ".." in names or names[0].endswith(":") or any("\0" in each for each in names):
        return None
    return tuple(names)


def _name(entry: zipfile.ZipInfo) -> str:
    """macOS writes names in UTF-8 without saying so, which are read as those of an old PC."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _is_hidden(entry: zipfile.ZipInfo) -> bool:
    return in_hidden(each for each in PurePosixPath(entry.filename.replace("\\", "/")).parts if each not in (".", ".."))


def only_folder(path: Path) -> Path | None:
    """The folder that a folder holds and nothing else beside: what was zipped with the folder round it."""
    entries = [each for each in path.iterdir() if not is_hidden(each.name)] if path.is_dir() else []
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None
