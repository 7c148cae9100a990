"""Takes somebody out of exports of crops and harvests of videos, row by row; and remembers where exports were written."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dinolabel.erasure.exports import holding
from dinolabel.erasure.exports.shares import CHANGED, ExportShare
from dinolabel.erasure.text_search import Mention
from dinolabel.exporters.output import crop_table, file_list
from dinolabel.exporters.output.crop_manifest import MANIFEST, METADATA, TABLES
from dinolabel.exporters.output.staging import stopped_places
from dinolabel.exporters.safe_names import folder_names
from dinolabel.exporters.unlisted_files import CROPS, FILMS, REPORT, rows
from dinolabel.exporters.video_crops.exclude import EXCLUDED_ROWS
from dinolabel.studio.reviews.decisions import SAME_OBJECT
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Box

NOTES = "exports.jsonl"  # in the data folder: where else exports were written
KINDS = (CROPS, FILMS)
PLACES = {MANIFEST: "crop", EXCLUDED_ROWS: "dropped"}
"""Lists of rows, and the key under which each says where the crop lies."""

Row = dict[str, Any]
Faces = dict[tuple[Any, Any], list[Box]]


def note(data_dir: Path, project: str, folder: Path, what: str) -> None:
    """Remember that an export was written to a folder, so that it can be found when somebody is to be forgotten."""
    line = json.dumps({"project": project, "folder": str(folder.absolute()), "format": what}, ensure_ascii=False) + "\n"
    path = data_dir / NOTES
    before = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    if not before or before[-1] != line:
        with atomic_file(path) as half:
            half.write_text("".join([*(each for each in before if each != line), line]), encoding="utf-8")


def known_exports(data_dir: Path, project: str) -> list[Path]:
    """Folders of this project's exports that are there, finished or stopped; one that another project wrote to since is that one's."""
    path = data_dir / NOTES
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    last = {Path(each["folder"]): each["project"] for each in map(parse_json, filter(None, lines))}
    folders = dict.fromkeys([data_dir / "exports" / project, *(folder for folder, own in last.items() if own == project)])
    return [folder for folder in folders if folder.is_dir() or any(True for _ in stopped_places(folder))]


def survey(folder: Path, export: str, mention: Mention) -> ExportShare:
    """What a folder of crops has of somebody: their rows, and whatever lies on one of their boxes without a name."""
    share, theirs = ExportShare(folder, export), _faces(folder, mention)
    named = {row["label"] for path in PLACES for row in rows(folder / path) if _is(row, mention)}
    gone: list[str] = []
    for path, key in PLACES.items():
        going = [row for row in rows(folder / path) if goes(row, mention, theirs, dropped=path == EXCLUDED_ROWS)]
        share.rows += going
        share.objects |= {f"{row.get('task')}/{row.get('annotation')}/{row.get('region')}" for row in going}
        gone += [str(row[key]) for row in going if key in row]
        share.rewrite += [path] if going or any(_mentions(row, mention) for row in rows(folder / path)) else []
    if file_list.inside(folder, METADATA) is not None and (share.rows or any(_mentions(row, mention) for row in rows(folder / METADATA))):
        share.rewrite.append(METADATA)
    for path in TABLES:
        table = file_list.inside(folder, path)
        if table is not None and (share.rows or any(_mentions(row, mention) for row in crop_table.rows_of(table))):
            share.rewrite.append(path)
    gone += _sheets(folder, named)
    _sort(share, [each for each in dict.fromkeys(gone) if file_list.inside(folder, each) is not None])
    if (report := _report(folder)) is not None and holding.report_without(report, mention) != report:
        _sort(share, [REPORT], rewrite=True)
    known = {each.path for each in file_list.entries(folder)}
    share.others = sum(each not in known and each not in file_list.LISTS for each in file_list.files(folder)) if known else 0
    return share


def rewrite(share: ExportShare, mention: Mention) -> None:
    """Take their rows out of the lists; every other line stays letter by letter."""
    folder, theirs, veil = share.folder, _faces(share.folder, mention), Veil(mention)
    crops = {str(row["crop"]) for row in share.rows if "crop" in row}
    for path in share.rewrite:
        if path in PLACES:
            _filter(folder / path, veil, lambda row, path=path: not goes(row, mention, theirs, dropped=path == EXCLUDED_ROWS))  # type: ignore[misc]
        elif path == METADATA:
            _filter(folder / path, veil, lambda row: f"crops/{row.get('file_name', '')}" not in crops)
            if not (folder / path).read_bytes().strip():
                (folder / path).unlink()  # imagefolder refuses an empty one
        elif path in TABLES:
            _filter_table(folder, path, veil, crops)
        elif path == REPORT:
            report = holding.report_without(_report(folder), mention)
            with atomic_file(folder / path) as half:
                half.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def goes(row: Row, mention: Mention, theirs: Faces, *, dropped: bool) -> bool:
    """Whether a row is of the person. Deleted, unnamed, not looked at or dropped, a box on one of theirs is the same face."""
    return _is(row, mention) or ((dropped or row.get("kind") != "named") and _on_one(row, theirs.get(_picture(row), ())))


class Veil:
    """Puts something else where the name stands beside the crop of another: an annotator, a video's path, what keeps pictures together."""

    def __init__(self, mention: Mention) -> None:
        self._mention, self._key = mention, secrets.token_bytes(16)

    def over(self, row: Row) -> Row:
        return {key: self._instead(key, each) if _says(key, each, self._mention) else each for key, each in row.items()}

    def _instead(self, key: str, text: str) -> str | None:
        """The same for the same text, so that groups stay groups."""
        digest = hashlib.blake2s(text.encode("utf-8", "replace"), key=self._key, digest_size=6).hexdigest()
        return None if key == "who" else f"forgotten-{digest}"


def _says(key: str, value: Any, mention: Mention) -> bool:
    return key not in ("crop", "dropped", "file_name", "label") and isinstance(value, str) and mention.within(value)


def _mentions(row: Row, mention: Mention) -> bool:
    return any(_says(key, each, mention) for key, each in row.items())


def _faces(folder: Path, mention: Mention) -> Faces:
    found: Faces = {}
    for row in rows(folder / MANIFEST):
        if _is(row, mention) and (box := _box(row)) is not None:
            found.setdefault(_picture(row), []).append(box)
    return found


def _sort(share: ExportShare, paths: list[str], *, rewrite: bool = False) -> None:
    """Ours and unchanged: removed or rewritten. Changed since: kept. In an export without a list the rows say what is ours."""
    listed = {each.path: each for each in file_list.entries(share.folder) if each.path in set(paths)}
    has_list = file_list.export_of(share.folder) is not None
    for path in paths:
        if has_list and (path not in listed or not file_list.is_unchanged(share.folder, listed[path])):
            share.kept.append((path, CHANGED if path in listed else "is not on the export's list"))
        else:
            (share.rewrite if rewrite else share.remove).append(path)


def _sheets(folder: Path, labels: set[str]) -> list[str]:
    """Contact sheets of their labels."""
    every = {str(row["label"]) for path in PLACES for row in rows(folder / path) if row.get("label")}
    patterns = [re.compile(rf"{re.escape(name)}([-_]\d+)*\.jpg") for label, name in folder_names(every).items() if label in labels]
    drawn = sorted(each.name for each in (folder / "sheets").glob("*.jpg"))
    return [f"sheets/{name}" for name in drawn if any(each.fullmatch(name) for each in patterns)]


def _report(folder: Path) -> Any:
    file = file_list.inside(folder, REPORT)
    try:
        return parse_json(file.read_text(encoding="utf-8")) if file else None
    except ValueError:
        return None


def _filter(path: Path, veil: Veil, keep: Callable[[Row], bool]) -> None:
    """Leave out lines of JSON; one that cannot be read stays, and so does every one without the name, letter by letter."""
    with path.open(encoding="utf-8", newline="") as lines, atomic_file(path) as half, half.open("w", encoding="utf-8", newline="") as left:
        for line in lines:
            try:
                row = parse_json(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                left.write(line)
            elif keep(row):
                veiled = veil.over(row)
                left.write(line if veiled == row else json.dumps(veiled, ensure_ascii=False) + "\n")


def _filter_table(folder: Path, path: str, veil: Veil, crops: set[str]) -> None:
    crop_table.rewrite(folder / path, lambda row: None if f"crops/{row['file_name']}" in crops else veil.over(row))


def _is(row: Row, mention: Mention) -> bool:
    return bool(row.get("label")) and mention.within(str(row["label"]))


def _picture(row: Row) -> tuple[Any, Any]:
    return row.get("image"), row.get("frame")


def _box(row: Row) -> Box | None:
    try:
        return Box(*(float(each) for each in row["box"]))
    except (KeyError, TypeError, ValueError):
        return None


def _on_one(row: Row, boxes: Iterable[Box]) -> bool:
    box = _box(row)
    return box is not None and any(box.iou(each) >= SAME_OBJECT for each in boxes)
