"""Which format a data set is in: each reader says whether it knows it, and here that becomes one answer."""

from __future__ import annotations

from pathlib import Path

from dinolabel.exporters import importers
from dinolabel.exporters.importers.common.reading import Recognition
from dinolabel.exporters.importers.common.records import ImportUnreadable, read_json
from dinolabel.exporters.importers.layouts.structured_files import holds
from dinolabel.exporters.importers.sources.archive import only_folder
from dinolabel.exporters.unlisted_files import CARD
from dinolabel.vision.errors import RequestError


def recognise(path: Path) -> tuple[str, Recognition, Path]:
    """The format, how it was told, and the folder or file to read: `path`, or the only folder in it.

    Raises ImportUnreadable when no reader knows it, RequestError when several are sure.
    """
    if not path.exists():
        raise ImportUnreadable(f"There is no file or folder {path}.", hint="Check the path.")
    inner = only_folder(path)
    found = [each for place in (path, *([inner] if inner is not None else [])) for each in _known(place)]
    for sure in (True, False):  # regions that people drew say more than the names of folders
        for name, known, place in sorted(found, key=lambda each: each[0] != "xmp"):
            if known.sure is sure:
                return name, known, place
    if packed := _archives(inner or path):
        raise ImportUnreadable(f"{path} holds no data set, but {packed[0].name}.", hint=f"Name the zip itself; unpack {path.name} first.")
    if (other := _other_export(inner or path)) is not None:
        raise ImportUnreadable(
            f"{other[0].name} is Label Studio's {other[1]}, which is not read.",
            hint="Export the project there as JSON, and name that file.",
        )
    raise ImportUnreadable(
        f"{path} is in none of the formats that are read: {', '.join(importers.names())}.",
        hint="Name the format, to hear what it lacks: dinolabel import FORMAT PATH. docs/exports.md says what each reads.",
    )


def _other_export(path: Path) -> tuple[Path, str] | None:
    """A file that Label Studio's Export button gives beside JSON, and which it is."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    for each in (each for each in files if each.is_file()):
        if each.suffix.lower() in (".csv", ".tsv") and _has_columns(each):
            return each, each.suffix[1:].upper()
        if each.suffix.lower() == ".json" and holds(each, "annotation_id", "annotator", "created_at", begins="["):
            return each, "JSON-MIN"
    return None


def _has_columns(file: Path) -> bool:
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        columns = {each.strip(' "\n\r') for each in opened.readline().replace("\t", ",").split(",")}
    return {"annotation_id", "annotator", "created_at"} <= columns


def _archives(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.suffix.lower() == ".zip") if path.is_dir() else []


def known_to(name: str, path: Path) -> Path:
    """`path`, or the only folder in it where the format knows that and not `path`."""
    inner = only_folder(path)
    if inner is None or _ask(name, path) is not None or _ask(name, inner) is None:
        return path
    return inner


def _known(path: Path) -> list[tuple[str, Recognition, Path]]:
    """What each reader says; nothing but the one that is sure, where one is. Raises RequestError for two that are."""
    ours = _of_card(path)
    found = [(name, known, path) for name in importers.names() if ours in (None, name) and (known := _ask(name, path)) is not None]
    sure = [each for each in found if each[1].sure]
    if len(sure) > 1:
        said = "; ".join(f"{name} ({known.words})" for name, known, _ in sure)
        raise RequestError(f"{path} may be {said}.", hint=f"Say which: dinolabel import {sure[0][0]} PATH")
    return sure or found


def _of_card(path: Path) -> str | None:
    """The format that an export of ours says it has."""
    card = path / CARD
    try:
        content = read_json(card) if card.is_file() else None
    except ImportUnreadable:
        return None
    name = content.get("format") if isinstance(content, dict) else None
    return name if name in importers.names() else None


def _ask(name: str, path: Path) -> Recognition | None:
    """A reader that was installed beside ours may not answer."""
    ask = getattr(importers.load(name), "recognise", None)
    found: Recognition | None = ask(path) if ask is not None else None
    return found
