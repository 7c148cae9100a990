"""Goes through every file we keep and takes a name out: lines, keys and sentences that hold it, or the whole file.

Knows kinds of files; nothing of what they are for. Label Studio's own folder is not ours.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from dinolabel.forgetting.mention import Mention

THEIRS = "studio"  # the Label Studio that `up` starts keeps its data there
LINES = {".jsonl", ".log"}
MADE_AGAIN = ("media", "previews")  # copies of pictures: fetched or drawn again when they are needed
UNREADABLE = {".sqlite", ".sqlite-wal", ".sqlite-shm"}


def drop_copies(data_dir: Path) -> int:
    """Remove copies of whole pictures; how many files."""
    dropped = 0
    for name in MADE_AGAIN:
        if (data_dir / name).is_dir():
            dropped += sum(1 for each in (data_dir / name).rglob("*") if each.is_file())
            shutil.rmtree(data_dir / name)
    return dropped


def sweep(data_dir: Path, mention: Mention) -> int:
    """Files that were changed or removed. data_dir: our data folder, or an export elsewhere."""
    changed = 0
    for path in list(_files(data_dir)):
        if path.exists() and mention.inside(path):
            _clean(path, mention)
            changed += 1
    for path in sorted(_folders(data_dir), reverse=True):
        if mention.within(path.name):
            shutil.rmtree(path, ignore_errors=True)
            changed += 1
    return changed


def left(data_dir: Path, mention: Mention) -> list[Path]:
    """Our files that hold a name all the same."""
    return [path for path in _files(data_dir, everything=True) if _holds(path, mention)]


def _holds(path: Path, mention: Mention) -> bool:
    return mention.in_database(path) if path.suffix in UNREADABLE else mention.inside(path)


def _files(data_dir: Path, *, everything: bool = False) -> Iterator[Path]:
    for path in sorted(data_dir.rglob("*")):
        ours = path.relative_to(data_dir).parts[0] != THEIRS
        if ours and path.is_file() and (everything or path.suffix not in UNREADABLE):
            yield path


def _folders(data_dir: Path) -> Iterator[Path]:
    return (path for path in data_dir.rglob("*") if path.is_dir() and path.relative_to(data_dir).parts[0] != THEIRS)


def _clean(path: Path, mention: Mention) -> None:
    if mention.within(path.name):
        path.unlink()
    elif path.suffix in LINES:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        path.write_text("".join(each for each in lines if not mention.within(each)), encoding="utf-8")
    elif path.suffix == ".json" and (pruned := _pruned(path, mention)) is not None:
        path.write_text(pruned, encoding="utf-8")
        for picture in (*path.parent.glob("*.png"), *path.parent.glob("*.html")):
            picture.unlink()  # a receipt's pages show the same names, as pixels too
    else:
        path.unlink()


def _pruned(path: Path, mention: Mention) -> str | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return json.dumps(mention.pruned(value), indent=1, ensure_ascii=False) + "\n"
