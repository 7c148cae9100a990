"""Takes somebody out of exports of crops, and removes exports of other formats, which can be made again.

Knows the files an export consists of; nothing of Label Studio.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinolabel.forgetting.mention import Mention
from exporters.dropping import DROPPED_ROWS, rows_of, write_rows
from exporters.whole import UNFINISHED, unfinished
from studio.tasks import SAME_OBJECT
from vision.types import Box

MANIFEST = "manifest.jsonl"
METADATA = "crops/metadata.jsonl"
MARK = "dinolabel.json"
NOTES = "exports.jsonl"  # in the data folder: where else exports were written


@dataclass
class Removed:
    """objects: `task/annotation/region`. rows: of the manifest. files: how many were removed or rewritten."""

    objects: set[str] = field(default_factory=set)
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    folders: list[str] = field(default_factory=list)


def note(data_dir: Path, project: str, folder: Path, what: str) -> None:
    """Remember that an export was written to a folder, so that it can be found when somebody is to be forgotten."""
    line = json.dumps({"project": project, "folder": str(folder.absolute()), "format": what}, ensure_ascii=False) + "\n"
    path = data_dir / NOTES
    known = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    if line not in known:
        with path.open("a", encoding="utf-8") as notes:
            notes.write(line)


def known(data_dir: Path, project: str) -> list[Path]:
    """Folders of this project's exports that are still there, and what stopped ones left beside them."""
    path = data_dir / NOTES
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    noted = [Path(each["folder"]) for each in map(json.loads, lines) if each["project"] == project]
    folders = dict.fromkeys([data_dir / "exports" / project, *noted])
    return [each for folder in folders for each in (folder, unfinished(folder)) if each.is_dir()]


def clean(folders: Iterable[Path], mention: Mention) -> Removed:
    """Take the person out of each folder: rows and crops of a crop export go, an export of another format goes whole."""
    removed = Removed()
    for folder in folders:
        if (folder / MANIFEST).is_file():
            _crops(folder, mention, removed)
        elif (folder / MARK).is_file() or folder.name.endswith(UNFINISHED):
            shutil.rmtree(folder)
            removed.folders.append(str(folder))
    return removed


def _crops(folder: Path, mention: Mention, removed: Removed) -> None:
    lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
    theirs: dict[tuple[str, int | None], list[Box]] = {}
    for row in rows:
        if _is(row, mention):
            theirs.setdefault(_picture(row), []).append(Box(*row["box"]))
    gone = [row for row in rows if _is(row, mention) or (row["kind"] != "named" and _on_one(row, theirs.get(_picture(row), ())))]
    for row in gone:
        (folder / row["crop"]).unlink(missing_ok=True)
        removed.objects.add(f"{row['task']}/{row['annotation']}/{row['region']}")
    removed.rows += gone
    removed.files += len(gone)
    crops = {row["crop"] for row in gone}
    kept = [row for row in rows if row["crop"] not in crops]
    (folder / MANIFEST).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    _dropped(folder, mention, theirs, removed)
    listed = folder / METADATA
    if listed.is_file():
        lines = [each for each in listed.read_text(encoding="utf-8").splitlines(keepends=True) if _file(each) not in crops]
        listed.write_text("".join(lines), encoding="utf-8") if lines else listed.unlink()  # imagefolder refuses an empty one
    for stopped in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(stopped, ignore_errors=True)  # what a stopped export left to go on from
    for place in sorted(folder.rglob("*"), reverse=True):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _dropped(folder: Path, mention: Mention, theirs: dict[tuple[str, int | None], list[Box]], removed: Removed) -> None:
    """What a person had taken out of a harvest of videos: it shows somebody all the same."""
    rows = rows_of(folder / DROPPED_ROWS)
    gone = [row for row in rows if _is(row, mention) or _on_one(row, theirs.get(_picture(row), ()))]
    for row in gone:
        (folder / row["dropped"]).unlink(missing_ok=True)
    if gone:
        write_rows(folder / DROPPED_ROWS, [row for row in rows if row not in gone])
    removed.rows += gone
    removed.files += len(gone)


def _is(row: dict[str, Any], mention: Mention) -> bool:
    return bool(row.get("label")) and mention.within(str(row["label"]))


def _picture(row: dict[str, Any]) -> tuple[str, int | None]:
    return row["image"], row["frame"]


def _on_one(row: dict[str, Any], boxes: Iterable[Box]) -> bool:
    """Whether a row is of one of these objects: deleted, unnamed or not looked at, it is the same face."""
    return any(Box(*row["box"]).iou(each) >= SAME_OBJECT for each in boxes)


def _file(line: str) -> str:
    return f"crops/{json.loads(line).get('file_name', '')}"
