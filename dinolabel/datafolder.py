"""The data folder as a whole has a format: one number for everything in it that no other program reads and that carries none of its own."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dinolabel.vision.errors import SettingsError
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json

FORMAT = 1
"""Raised when a file in the folder changes so that an earlier version would misread it; `open_folder` then brings up what was before."""
MARK = "format.json"
ABANDONED_SECONDS = 3600.0
LEFTOVERS = (".*.[0-9]*.half", ".projects.json.[0-9]*", "bundles/*/.writing-*", "exports/*/.*.[0-9]*.half")
"""Names under which whole files and folders are made ready here, before they take their place by one rename."""
BEFORE_THE_MARK = 1  # folders of 0.1.0 have none


def open_folder(folder: Path) -> None:
    """Mark a folder as ours, or see that it is of a version we know. Raises SettingsError for one of a later version."""
    stored = _stored_format(folder)
    if stored is None:
        with suppress(OSError):  # where nothing can be written, nothing will be that needs the mark
            _mark(folder)
    elif stored > FORMAT:
        raise SettingsError(
            f"The data folder {folder} was written by a newer dinolabel (format {stored}); this one knows {FORMAT}.",
            hint="Update dinolabel, or name another folder in DINOLABEL_DATA_DIR.",
        )


def sweep_leftovers(folder: Path) -> int:
    """Remove what writers that were killed left half written; how many. What is younger than an hour may still be written by somebody."""
    swept = 0
    for pattern in LEFTOVERS:
        for path in folder.glob(pattern):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    swept += 1
    return swept


def _stored_format(folder: Path) -> int | None:
    try:
        return int(parse_json((folder / MARK).read_text(encoding="utf-8"))["format"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = f'Write {{"format": {BEFORE_THE_MARK}}} into it if no newer dinolabel was here.'
        raise SettingsError(f"{folder / MARK} cannot be read: {error}.", hint=hint) from error


def _mark(folder: Path) -> None:
    try:
        by = version("dinolabel")
    except PackageNotFoundError:
        by = ""
    with atomic_file(folder / MARK) as half:
        half.write_text(json.dumps({"format": FORMAT, "made_by": by}) + "\n", encoding="utf-8")
