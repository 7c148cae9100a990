"""Finds the pictures of an export file in a folder, with no Label Studio to ask.

Knows how Label Studio writes picture addresses; opens nothing itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from vision.errors import MediaUnavailable


def finder(folder: Path) -> Callable[[str], Path]:
    """A function from a task's picture address to a file under `folder`: the longest tail of its path that is there.

    /data/upload/8/69234a41-cat.jpg is found as 8/69234a41-cat.jpg, 69234a41-cat.jpg or cat.jpg (Label Studio puts eight digits before
    an upload's name). It raises MediaUnavailable when there is none, or when the bare name fits several files.
    """
    fitting = fits(folder)

    def find(address: str) -> Path:
        pieces = parts(address)
        found = fitting(pieces)
        if len(found) == 1:
            return found[0]
        if found:
            hint = "Keep the folders that the address names."
            raise MediaUnavailable(f"Several files of {folder} fit {'/'.join(pieces)}.", hint=hint)
        asked = "/".join(pieces) or "An address without a file name"
        raise MediaUnavailable(f"{asked} is not in {folder}.", hint="Name the folder that holds the pictures with --media.")

    return find


def fits(folder: Path) -> Callable[[list[str]], list[Path]]:
    """A function from the folders and file name of a picture to the files under `folder` that its longest tail names."""
    root = folder.resolve()
    by_name: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            by_name.setdefault(_composed(path.name), []).append(path)

    def fitting(pieces: list[str]) -> list[Path]:
        asked = [_composed(each) for each in pieces]
        for names in [asked, *([[*asked[:-1], asked[-1].split("-", 1)[1]]] if asked and "-" in asked[-1] else [])]:
            there = by_name.get(names[-1], []) if names else []
            for length in range(len(names), 0, -1):
                tail = names[-length:]
                if found := [path for path in there if [*map(_composed, path.relative_to(root).parts[-length:])] == tail]:
                    return found
        return []

    return fitting


def _composed(name: str) -> str:
    """macOS writes file names decomposed, keyboards type them composed: equal to the eye."""
    return unicodedata.normalize("NFC", name)


def parts(address: str) -> list[str]:
    """Folders and file name of an address, of its `d=` for Label Studio's local files."""
    split = urlsplit(address)
    local = parse_qs(split.query).get("d")
    return pieces(local[0] if local else unquote(split.path))


def pieces(path: str) -> list[str]:
    """Folders and file name of a path of any machine."""
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
