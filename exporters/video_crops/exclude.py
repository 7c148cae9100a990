"""Takes wrong crops out of a harvest and puts them back; what was dropped once stays dropped when the videos are looked at again.

Nothing is deleted: a dropped crop lies in dropped/ with its row.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.crop_manifest import MANIFEST
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.atomic_files import atomic_file
from dinolabel.vision.storage.json_text import parse_json
from dinolabel.vision.types import Box

EXCLUDED = "dropped"
EXCLUDED_ROWS = "dropped.jsonl"
SAME_BOX = 0.5  # IoU from which a box found anew is the one that was dropped

Row = dict[str, Any]


@dataclass(frozen=True)
class PreviousExclusions:
    """What an earlier harvest had dropped: its rows, and the folder that still holds their crops."""

    rows: tuple[Row, ...]
    folder: Path


def rows_of(path: Path) -> list[Row]:
    """Rows of a manifest; none when there is no file. Raises RequestError for a damaged one."""
    try:
        return [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be read: {error}.") from error


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace a manifest in one step."""
    with atomic_file(path) as half:
        half.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def exclude(folder: Path, numbers: Collection[int]) -> list[Row]:
    """Take these crops out, and those whose files somebody deleted by hand; their rows. Raises RequestError for an unknown number."""
    rows = _harvest(folder)
    known = {row["number"] for row in rows}
    if missing := sorted(set(numbers) - known):
        hint = f"Numbers go from {min(known)} to {max(known)}; see the sheets."
        raise RequestError(f"There is no crop {missing[0]} in {folder}.", hint=hint)
    going = [row for row in rows if row["number"] in numbers or not (folder / row["crop"]).is_file()]
    gone = {row["number"] for row in going}
    aside = [_aside(folder, row) for row in going]
    file_list.update(folder, moved={row["crop"]: row["dropped"] for row in aside})
    # the list of dropped ones first: after a crash in between a crop is in both, and the next drop settles it
    write_rows(folder / EXCLUDED_ROWS, [*(row for row in rows_of(folder / EXCLUDED_ROWS) if row["number"] not in gone), *aside])
    write_rows(folder / MANIFEST, [row for row in rows if row["number"] not in gone])
    file_list.update(folder, changed={MANIFEST, EXCLUDED_ROWS})
    return aside


def include(folder: Path, numbers: Collection[int]) -> list[Row]:
    """Put dropped crops back; their rows. Raises RequestError for a number that was not dropped, or whose picture is gone."""
    rows, dropped = _harvest(folder), rows_of(folder / EXCLUDED_ROWS)
    coming = [row for row in dropped if row.get("number") in numbers]
    if missing := sorted(set(numbers) - {row["number"] for row in coming}):
        raise RequestError(f"Crop {missing[0]} was not dropped from {folder}.", hint="dropped.jsonl lists those that were.")
    for row in coming:
        if not (folder / row["dropped"]).is_file():
            raise RequestError(f"The picture of crop {row['number']} is gone.", hint="Run `dinolabel bootstrap` again: it is cut anew.")
    back = []
    for row in coming:
        (folder / row["crop"]).parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / row["dropped"], folder / row["crop"])
        back.append({key: value for key, value in row.items() if key != "dropped"})
    write_rows(folder / MANIFEST, sorted([*rows, *back], key=lambda row: int(row["number"])))
    write_rows(folder / EXCLUDED_ROWS, [row for row in dropped if row not in coming])
    file_list.update(folder, changed={MANIFEST, EXCLUDED_ROWS}, moved={row["dropped"]: row["crop"] for row in coming})
    return back


def previous_exclusions(folder: Path) -> PreviousExclusions:
    """What was dropped from the harvest that lies there, if any."""
    return PreviousExclusions(tuple(rows_of(folder / EXCLUDED_ROWS)), folder)


def reapply_exclusions(before: PreviousExclusions, rows: Sequence[Row], folder: Path) -> tuple[list[Row], list[Row]]:
    """Drop from a new harvest what was dropped before; the rows that stay, and those that went.

    What the new one did not find again is carried over with its crop and without its number, so that no decision is lost.
    """
    going = [row for row in rows if any(_same(row, old) for old in before.rows)]
    carried = [old for old in before.rows if not any(_same(row, old) for row in going)]
    kept = [_carry(before.folder, folder, old) for old in carried]
    if going or kept:
        write_rows(folder / EXCLUDED_ROWS, [*(_aside(folder, row) for row in going), *kept])
    gone = {row["number"] for row in going}
    return [row for row in rows if row["number"] not in gone], going


def _harvest(folder: Path) -> list[Row]:
    rows = rows_of(folder / MANIFEST)
    if not rows or not all("number" in row for row in rows):
        raise RequestError(f"There are no crops of videos in {folder}.", hint="Name the folder that `dinolabel bootstrap` wrote.")
    return rows


def _aside(folder: Path, row: Row) -> Row:
    """Move a crop's picture away; its row, which says where it lies now."""
    place = f"{EXCLUDED}/{row['number']:05}.png"
    (folder / EXCLUDED).mkdir(exist_ok=True)
    if (folder / row["crop"]).is_file():
        os.replace(folder / row["crop"], folder / place)
    return {**row, "dropped": place}


def _carry(old: Path, new: Path, row: Row) -> Row:
    place = f"{EXCLUDED}/{row['image'][:12]}-{row['region']}.png"
    source = old / row["dropped"]
    if source.is_file():
        (new / EXCLUDED).mkdir(exist_ok=True)
        shutil.copyfile(source, new / place)
    return {**row, "dropped": place, "number": None}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if (one["image"], one["frame"], one["label"]) != (other["image"], other["frame"], other["label"]):
        return False
    return Box(*one["box"]).iou(Box(*other["box"])) >= SAME_BOX
