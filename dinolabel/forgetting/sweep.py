"""Goes through the files we keep of one project and takes a name out: lines, keys and sentences that hold it, or the whole file.

Knows kinds of files; nothing of what they are for. Other projects, people's own files and Label Studio's folder are not touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dinolabel.forgetting.mention import Mention
from vision.bundle import CARD

THEIRS = "studio"  # the Label Studio that `up` starts keeps its data there
BY_PROJECT = ("bundles", "exports", "previews")
LINES = {".jsonl", ".log"}
DATABASES = {".sqlite", ".sqlite-wal", ".sqlite-shm"}
ASIDE = ("metrics", "trained_on")  # of a bundle's card: what decides no answer


def drop_copies(data_dir: Path, project: str) -> int:
    """Remove copies of whole pictures, which are fetched or drawn again when they are needed; how many files."""
    dropped = 0
    for folder in (data_dir / "media", data_dir / "previews" / project):
        if folder.is_dir():
            dropped += sum(1 for each in folder.rglob("*") if each.is_file())
            shutil.rmtree(folder)
    return dropped


def sweep(places: Iterable[Path], mention: Mention) -> int:
    """Files that were changed or removed. places: folders, and single files."""
    changed = 0
    for place in places:
        for path in [place] if place.is_file() else [each for each in sorted(place.rglob("*")) if each.is_file()]:
            if path.exists() and path.suffix not in DATABASES and mention.inside(path):
                _clean(path, mention)
                changed += 1
        for folder in sorted((each for each in place.rglob("*") if each.is_dir()), reverse=True):
            if mention.within(folder.name):
                shutil.rmtree(folder)
                changed += 1
    return changed


def left(data_dir: Path, project: str, mention: Mention) -> list[Path]:
    """Files in the data folder, other projects' apart, that hold a name all the same."""
    return [path for path in _ours(data_dir, project) if (mention.in_database if path.suffix in DATABASES else mention.inside)(path)]


def _ours(data_dir: Path, project: str) -> Iterator[Path]:
    for path in sorted(data_dir.rglob("*")):
        parts = path.relative_to(data_dir).parts
        others = parts[0] == THEIRS or (parts[0] in BY_PROJECT and len(parts) > 1 and parts[1] != project)
        if path.is_file() and not others:
            yield path


def _clean(path: Path, mention: Mention) -> None:
    if mention.within(path.name):
        path.unlink()
    elif path.suffix in LINES:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(each for each in lines if not mention.within(each)), encoding="utf-8")
    elif path.suffix == ".json" and (pruned := _pruned(path, mention)) is not None:
        path.write_text(json.dumps(pruned, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for page in (*path.parent.glob("*.png"), *path.parent.glob("*.html")):
            page.unlink()  # a receipt's pages show the same names, as pixels too
    else:
        path.unlink()


def _pruned(path: Path, mention: Mention) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if path.name == CARD and isinstance(value, dict):
        return {key: mention.pruned(each) if key in ASIDE else each for key, each in value.items()}
    return mention.pruned(value)
