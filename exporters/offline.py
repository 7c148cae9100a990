"""Finds the pictures of an export file in a folder, with no Label Studio to ask.

Knows how Label Studio writes picture addresses and changes the names of uploads; opens nothing itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from studio.address import parts
from vision.errors import MediaUnavailable
from vision.walk import in_hidden

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)", re.DOTALL)
_SHORTENED = re.compile(r"_[0-9A-Za-z]{7}$")
LONGEST = 100
"""Letters of an upload's path in Label Studio; a longer one loses the end of its name and gets seven letters at random (measured)."""


def finder(folder: Path) -> Callable[[str], Path]:
    """A function from a task's picture address to a file under `folder`: the longest tail of its path that is there.

    /data/upload/8/69234a41-cat_1.jpg is found as 8/69234a41-cat_1.jpg, 69234a41-cat_1.jpg, cat_1.jpg or `cat (1).jpg`: Label Studio puts
    eight digits before an upload's name, and takes blanks and signs out of it. It raises MediaUnavailable when there is none, or when
    several files fit; MediaRefused for an address that makes no sense.
    """
    root = folder.resolve()
    by_name: dict[str, list[Path]] = {}
    by_upload: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            by_name.setdefault(path.name, []).append(path)
            if in_hidden(path.relative_to(root).parts):
                continue  # nobody uploads a thumbnail folder
            for name in stored_names(path.name):
                by_upload.setdefault(name, []).append(path)

    def find(address: str) -> Path:
        pieces = parts(address)
        if found := _by_tail(pieces, by_name, root):
            return found
        if pieces and (bare := uploaded(pieces[-1])) is not None:
            if found := _by_tail([*pieces[:-1], bare], by_name, root, shortest=2):
                return found
            fitting = by_upload.get(bare) or by_upload.get(unicodedata.normalize("NFC", bare)) or _shortened(pieces, bare, by_upload)
            if fitting:
                return _only(fitting, pieces[-1], root)
        asked = "/".join(pieces) or "An address without a file name"
        raise MediaUnavailable(f"{asked} is not in {folder}.", hint="Name the folder that holds the pictures with --media.")

    return find


def uploaded(name: str) -> str | None:
    """A name without the eight digits that Label Studio puts before an upload's; None when it has none."""
    digits = _UPLOAD.match(name)
    return name[digits.end() :] if digits else None


def stored_names(name: str) -> set[str]:
    """What Label Studio may have made of a file's name (measured): blanks become _, other signs go.

    It drops accents that are letters of their own, so it depends on how the machine that uploaded wrote them.
    """
    forms = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    return {re.sub(r"[^-\w.]", "", each.rstrip().replace(" ", "_")) for each in forms}


def _by_tail(pieces: Sequence[str], by_name: dict[str, list[Path]], root: Path, *, shortest: int = 1) -> Path | None:
    """The file whose path ends as the address does, by as many pieces as possible; at least `shortest` of them."""
    fitting = by_name.get(pieces[-1], []) if pieces else []
    for length in range(len(pieces), shortest - 1, -1):
        tail = tuple(pieces[-length:])
        found = [path for path in fitting if _ends(path.relative_to(root).parts, tail)]
        if found:
            return _only(found, "/".join(tail), root)
    return None


def _ends(path: Sequence[str], tail: Sequence[str]) -> bool:
    """Whether a path ends so. A thumbnail in a hidden folder is meant only where the address names that folder."""
    return tuple(path[-len(tail) :]) == tuple(tail) and not in_hidden(path[: -len(tail)])


def _shortened(pieces: Sequence[str], bare: str, by_upload: dict[str, list[Path]]) -> list[Path]:
    """Files whose name begins as an upload's does that was too long for Label Studio."""
    if len("/".join(pieces[pieces.index("upload") if "upload" in pieces else 0 :])) < LONGEST - 1:
        return []
    ending = "".join(PurePath(bare).suffixes)
    start = _SHORTENED.sub("", bare.removesuffix(ending))
    return list(_beginning(start, ending, by_upload))


def _beginning(start: str, ending: str, by_upload: dict[str, list[Path]]) -> Iterator[Path]:
    for name, paths in by_upload.items():
        if start and name.startswith(start) and name.endswith(ending):
            yield from paths


def _only(found: Sequence[Path], asked: str, root: Path) -> Path:
    several = sorted({path.relative_to(root).as_posix() for path in found})
    if len(several) > 1:
        told = ", ".join(several[:3]) + (f" and {len(several) - 3} more" if len(several) > 3 else "")
        raise MediaUnavailable(
            f"Several files of {root} fit {asked}: {told}.", hint="Keep the folders that the address names, or leave one of these files."
        )
    return found[0]
