"""Finds the pictures of an export file in a folder, with no Label Studio to ask."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from dinolabel.studio.media.hidden_files import refuse_hidden
from dinolabel.studio.media.url import LOCAL_FILES, parts
from dinolabel.vision.decoding.folder_walk import in_hidden
from dinolabel.vision.errors import MediaRefused, MediaUnavailable

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)", re.DOTALL)
_SHORTENED = re.compile(r"_[0-9A-Za-z]{7}$")
LONGEST = 100
"""Letters of an upload's path in Label Studio; a longer one loses the end of its name and gets seven letters at random (measured)."""


def finder(folder: Path) -> Callable[[str], Path]:
    """A function from a task's picture address to a file under `folder`: the longest tail of its path that is there.

    /data/upload/8/69234a41-cat_1.jpg is found as 8/69234a41-cat_1.jpg, 69234a41-cat_1.jpg, cat_1.jpg or `cat (1).jpg`: Label Studio puts
    eight digits before an upload's name, and takes blanks and signs out of it. It raises MediaUnavailable when there is none, or when
    several files fit; MediaRefused for an address that makes no sense, and for a hidden file's.
    """
    fitting, root = fits(folder), folder.resolve()

    def find(address: str) -> Path:
        asked = parts(address)
        refuse_hidden(address)
        if found := fitting(asked):
            return _only(found, asked[-1], root)
        told = "/".join(asked) or "An address without a file name"
        raise MediaUnavailable(f"{told} is not in {folder}.", hint="Name the folder that holds the pictures with --media.")

    return find


def fits(folder: Path) -> Callable[[list[str]], list[Path]]:
    """A function from the folders and file name of a picture to the files under `folder` that its longest tail names.

    An upload is also found without the digits before its name, and by the name that Label Studio would have made of a file's. Where no
    name is of the same letters, one that differs in case is meant: a data set of Windows says a.jpg of A.JPG.
    """
    root = folder.resolve()
    by_name: dict[str, list[Path]] = {}
    by_upload: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            by_name.setdefault(_composed(path.name), []).append(path)
            if in_hidden(path.relative_to(root).parts):
                continue  # nobody uploads a thumbnail folder
            for name in stored_names(path.name):
                by_upload.setdefault(name, []).append(path)

    def fitting(path: list[str]) -> list[Path]:
        asked = [_composed(each) for each in path]
        if found := _by_tail(asked, by_name, root):
            return found
        if not path or (bare := uploaded(path[-1])) is None:
            return _in_any_case(asked, by_name, root)
        if found := _by_tail([*asked[:-1], _composed(bare)], by_name, root, shortest=2):
            return found
        return by_upload.get(bare) or by_upload.get(_composed(bare)) or _shortened(path, bare, by_upload)

    return fitting


def pieces(path: str) -> list[str]:
    """Folders and file name of a path of any machine, or of an address: without what signs it, and with its signs decoded."""
    if "://" in path or path.startswith(LOCAL_FILES):
        try:
            return parts(path)
        except MediaRefused:  # such as a file: address of Windows, whose end is a path all the same
            pass
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _composed(name: str) -> str:
    """macOS writes file names decomposed, keyboards type them composed: equal to the eye."""
    return unicodedata.normalize("NFC", name)


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


def _by_tail(pieces: Sequence[str], by_name: dict[str, list[Path]], root: Path, *, shortest: int = 1) -> list[Path]:
    """The files whose path ends as the address does, by as many pieces as possible; at least `shortest` of them."""
    fitting = by_name.get(pieces[-1], []) if pieces else []
    for length in range(len(pieces), shortest - 1, -1):
        tail = tuple(pieces[-length:])
        if found := [path for path in fitting if _ends([*map(_composed, path.relative_to(root).parts)], tail)]:
            return found
    return []


def _in_any_case(pieces: Sequence[str], by_name: dict[str, list[Path]], root: Path) -> list[Path]:
    asked = pieces[-1].casefold() if pieces else ""
    names = [name for name in by_name if name.casefold() == asked]
    return [path for name in names for path in _by_tail([*pieces[:-1], name], by_name, root)]


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
