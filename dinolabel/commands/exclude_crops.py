"""`dinolabel exclude-crops`: takes wrong crops out of what `dinolabel bootstrap` cut, and puts them back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, words
from dinolabel.erasure.exports.crops import NOTES
from dinolabel.vision.errors import RequestError
from dinolabel.vision.storage.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence


def command(
    folder: Annotated[Path, typer.Argument(help="The folder that `dinolabel bootstrap` wrote.")],
    numbers: Annotated[list[str] | None, typer.Argument(help="Crops as numbered on the sheets: 12 15-18.")] = None,
    back: Annotated[bool, typer.Option("--back", help="Put these crops back instead.")] = False,
) -> None:
    """Take wrong crops out, by their numbers on the contact sheets.

    Nothing is deleted, and they stay out when the videos are looked at again.

    Without numbers it takes out the crops whose files you deleted by hand.

    Example: dinolabel exclude-crops crops/ 12 15-18
    """
    from dinolabel.exporters.output.crop_manifest import MANIFEST
    from dinolabel.exporters.video_crops import contact_sheets, exclude

    chosen = which(numbers or [])
    moved = exclude.include(folder, chosen) if back else exclude.exclude(folder, chosen)
    left = exclude.rows_of(folder / MANIFEST)
    contact_sheets.write(folder, left)
    counts = ", ".join(f"{label} {sum(row['label'] == label for row in moved)}" for label in dict.fromkeys(row["label"] for row in moved))
    did = "Put back" if back else "Dropped"
    told = words.count_noun(len(moved), "crop") + (f": {counts}" if moved else "")
    console.out.print(console.ok(did), f"{told}; {words.count_noun(len(left), 'crop')} left.", soft_wrap=True)
    then = ["dinolabel", "train", "--manifest", str(folder), "--project", _project(folder)]
    console.out.print(console.soft(f"Then: {shlex.join(then)}"), soft_wrap=True)


def _project(folder: Path) -> str:
    """Whose crops they are: as noted when they were cut; else the folder's name, as `bootstrap` takes it."""
    place = folder.resolve()
    noted = factory.data_dir(running_settings.settings()) / NOTES
    for line in reversed(noted.read_text(encoding="utf-8").splitlines() if noted.is_file() else []):
        entry = parse_json(line)
        if Path(entry["folder"]).resolve() == place:
            return str(entry["project"])
    return place.name


def which(texts: Sequence[str]) -> set[int]:
    """`12 15-18,20` as numbers. Raises RequestError for anything else."""
    found: set[int] = set()
    for part in (each for text in texts for each in text.split(",") if each):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) < int(first):
            raise RequestError(f"{part!r} is no number of a crop.", hint="Write 12, or 15-18 for several.")
        found.update(range(int(first), int(last or first) + 1))
    return found
