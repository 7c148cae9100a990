"""Finds the pictures of an export file in a folder, with no Label Studio to ask.

Knows how Label Studio writes picture addresses; opens nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.address import parts
from vision.errors import MediaUnavailable
from vision.walk import in_hidden


def finder(folder: Path) -> Callable[[str], Path]:
    """A function from a task's picture address to a file under `folder`: the longest tail of its path that is there.

    /data/upload/8/69234a41-cat.jpg is found as 8/69234a41-cat.jpg, 69234a41-cat.jpg or cat.jpg (Label Studio puts eight digits before
    an upload's name). It raises MediaUnavailable when there is none, or when the bare name fits several files.
    """
    root = folder.resolve()
    by_name: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            by_name.setdefault(path.name, []).append(path)

    def fits(path: Path, tail: tuple[str, ...]) -> bool:
        folders, end = path.relative_to(root).parts[: -len(tail)], path.relative_to(root).parts[-len(tail) :]
        return end == tail and not in_hidden(folders)  # a thumbnail in a hidden folder is meant only where the address names that folder

    def find(address: str) -> Path:
        pieces = parts(address)
        for names in [pieces, *([[*pieces[:-1], pieces[-1].split("-", 1)[1]]] if pieces and "-" in pieces[-1] else [])]:
            fitting = by_name.get(names[-1], []) if names else []
            for length in range(len(names), 0, -1):
                tail = tuple(names[-length:])
                found = [path for path in fitting if fits(path, tail)]
                if len(found) == 1:
                    return found[0]
                if found:
                    hint = "Keep the folders that the address names."
                    raise MediaUnavailable(f"Several files of {folder} fit {'/'.join(tail)}.", hint=hint)
        asked = "/".join(pieces) or "An address without a file name"
        raise MediaUnavailable(f"{asked} is not in {folder}.", hint="Name the folder that holds the pictures with --media.")

    return find
