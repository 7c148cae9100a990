"""A folder that appears whole or not at all.

Knows folders only; what a format writes into it is the format's business.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vision.errors import RequestError

STALE_SECONDS = 24 * 3600  # a half-made folder older than this belongs to a run that was killed


class ExportRefused(RequestError):
    """The folder to write holds something that is no earlier export of the same format."""

    hint = "Name a new or empty folder with --out."


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
