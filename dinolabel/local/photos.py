"""What is in the folder a person named: pictures a browser can show, and what is left out and why.

What it counts is what Label Studio's local storage imports with the same pattern.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dinolabel.cli import words
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.errors import MediaUnavailable, RequestError

SHOWN = ("jpg", "jpeg", "png", "webp", "bmp", "gif")
"""Endings of pictures that both a browser and we can open."""
PATTERN = rf"(?i)(?!\.|SYNO(?:PHOTO|FILE)_THUMB).*\.({'|'.join(SHOWN)})$"
"""The same as a regular expression over the file name, which is all that Label Studio's storage looks at (source): of what is in hidden
folders it can leave out Synology's thumbnails only."""
NOT_FOR_BROWSERS = {"heic", "heif", "tif", "tiff", "avif"}


@dataclass(frozen=True, slots=True)
class PhotoFolder:
    """folder: absolute, resolved. count: pictures in it and in its sub-folders. others: ending -> how many files are left out.

    hidden: how many files that look like pictures are hidden (dinolabel.vision.decoding.folder_walk): neither counted nor told.
    """

    folder: Path
    count: int
    others: Counter[str]
    hidden: int = 0

    def pictures(self) -> list[Path]:
        """The files that count, sorted."""
        return sorted(each for each in folder_walk.files(self.folder) if _is_shown(each))

    def hides(self, path: Path) -> bool:
        """Whether a file of the folder is hidden."""
        return path.is_relative_to(self.folder) and folder_walk.in_hidden(path.relative_to(self.folder).parts)

    @property
    def root(self) -> Path:
        """What Label Studio gets as its document root: a storage must lie strictly below it."""
        return self.folder.parent

    def skipped_sentence(self) -> str | None:
        """One sentence about the files that will not appear, None when there are none."""
        if not self.others:
            return None
        kinds = words.join_words(
            [
                f"{count:,} {ending or 'without an ending'}"
                for ending, count in sorted(self.others.items(), key=lambda each: (-each[1], each[0]))[:4]
            ]
        )
        sentence = f"{words.count_noun(sum(self.others.values()), 'other file')} ({kinds}{', …' if len(self.others) > 4 else ''})"
        if any(ending.lstrip(".") in NOT_FOR_BROWSERS for ending in self.others):
            sentence += "; browsers do not show HEIC and TIFF: save those as JPEG"
        return sentence


def find_photos(folder: Path) -> PhotoFolder:
    """Count what is there. Raises MediaUnavailable for no folder, RequestError for one without pictures or that cannot be served."""
    path = folder.expanduser().resolve()
    if path.is_file():
        raise RequestError(f"{path.name} is a file.", hint=f"Name the folder it is in: dinolabel up {path.parent}")
    if not path.is_dir():
        raise MediaUnavailable(f"There is no folder {path}.", hint="Check the spelling; quote names with spaces.")
    if path.parent == path or path.name != path.name.strip() or "\\" in str(path):
        raise RequestError(
            f"Label Studio cannot serve the folder {str(path)!r}.",
            hint="Rename it without a backslash or outer spaces; a disk's root needs a sub-folder.",
        )
    endings = Counter(each.suffix.lower() for each in folder_walk.files(path))
    hidden = sum(_is_shown(each) and folder_walk.in_hidden(each.relative_to(path).parts) and each.is_file() for each in path.rglob("*"))
    count = sum(number for ending, number in endings.items() if ending.lstrip(".") in SHOWN)
    others = Counter({ending: number for ending, number in endings.items() if ending.lstrip(".") not in SHOWN})
    photos = PhotoFolder(path, count, others, hidden)
    if not count:
        there = photos.skipped_sentence()
        raise RequestError(
            f"There is no picture in {path}{f', only {there}' if there else ': it is empty'}.", hint=f"Pictures end in {', '.join(SHOWN)}."
        )
    return photos


def _is_shown(path: Path) -> bool:
    return path.suffix.lower().lstrip(".") in SHOWN
