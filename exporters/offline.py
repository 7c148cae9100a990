"""Finds the pictures of an export file in a folder, with no Label Studio to ask.

Knows how Label Studio writes picture addresses; opens nothing itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from vision.errors import MediaUnavailable

UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)")
"""Label Studio puts eight digits before an upload's name."""


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
    """A function from the folders and file name of a picture to the files under `folder` that its longest tail names.

    An upload is also found without the digits before its name, and by the name that Label Studio would have made of a file's.
    """
    root = folder.resolve()
    by_name: dict[str, list[Path]] = {}
    by_upload: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            by_name.setdefault(_composed(path.name), []).append(path)
            by_upload.setdefault(_uploaded(_composed(path.name)), []).append(path)

    def fitting(path: list[str]) -> list[Path]:
        asked = [_composed(each) for each in path]
        if not asked:
            return []
        upload = UPLOAD.fullmatch(asked[-1])
        for names in [asked, *([[*asked[:-1], upload[1]]] if upload else [])]:
            for length in range(len(names), 0, -1):
                tail = names[-length:]
                there = [each for each in by_name.get(names[-1], []) if [*map(_composed, each.relative_to(root).parts[-length:])] == tail]
                if there:
                    return there
        return by_upload.get(upload[1], []) if upload else []

    return fitting


def _uploaded(name: str) -> str:
    """What Label Studio makes of an upload's name: blanks become underscores, other signs go."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


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
