"""A data set's own folder: what its files name is looked for there and nowhere else, whatever machine the names are from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dinolabel.exporters.media_lookup import pieces
from dinolabel.vision.decoding.pictures import image_paths
from dinolabel.vision.errors import MediaUnavailable

MEANT = frozenset({"images", "labels", "train", "val", "valid", "validation", "test"})
"""Folders that say which pictures are meant: `../valid/images` is not `images`."""


@dataclass(frozen=True)
class DatasetFolder:
    """root: the data set's folder. media: a folder with pictures that a person named, which is looked into first."""

    root: Path
    media: Path | None = None

    def holds(self, path: Path) -> bool:
        """Whether a path is in the data set, or in the folder a person named; a link is where it leads, except below the latter."""
        if self.media is not None and path.absolute().is_relative_to(self.media.absolute()):
            return True
        return path.resolve().is_relative_to(self.root.resolve())

    def find(self, text: str, *bases: Path) -> Path | None:
        """The file or folder that a path of any machine means: as it stands below a base, else its longest tail that is there."""
        for base in (*([self.media] if self.media else []), *bases, self.root):
            for tail in _tails(text):
                path = base / tail
                if is_file_here(path) and self.holds(path):
                    return path
        return None

    def pictures(self, folder: Path) -> list[Path]:
        """Below a folder, sorted; links that lead out of the data set are left out."""
        try:
            return [each for each in image_paths(folder) if self.holds(each)]
        except MediaUnavailable:
            return []


def is_file_here(path: Path) -> bool:
    """Whether there is such a file or folder; not where the name itself is impossible here, as text from elsewhere may be."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _tails(text: str) -> Iterator[str]:
    """`../data/images/train`: as it is, data/images/train, images/train; not train, which is another folder than the train of images.
    The whole of a path that is absolute is no tail."""
    whole = text.strip().replace("\\", "/")
    if whole and not whole.startswith("/") and whole[1:2] != ":":
        yield whole
    names = pieces(whole)
    yield from ("/".join(names[at:]) for at in range(len(names)) if at == 0 or names[at - 1].casefold() not in MEANT)
