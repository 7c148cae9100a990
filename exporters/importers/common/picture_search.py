"""Finds the pictures of a data set: beside its files, by the names these say, in a folder that a person named, or where they still are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from dinolabel.exporters.importers.common import temporary_folder
from dinolabel.exporters.importers.common.containment import DatasetFolder, is_file_here
from dinolabel.exporters.media_lookup import finder, fits, pieces
from dinolabel.vision.decoding.pictures import SUFFIXES, image_paths
from dinolabel.vision.errors import MediaUnavailable
from dinolabel.vision.file_digest import sha256_of_file


class PictureFinder:
    """folder: where to look; None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if folder is not None and folder.is_dir() else None

    def find(self, name: str, sha256: str | None = None) -> Path | None:
        """By a name or address, else by content. A file of another content than the digest says is another picture."""
        if self._folder is None:
            return None
        try:
            file = self._by_name(name)
        except MediaUnavailable:
            file = None
        if sha256 is None or (file is not None and sha256_of_file(file) == sha256):
            return file
        return self._by_digest.get(sha256)

    @cached_property
    def _by_name(self) -> Callable[[str], Path]:
        assert self._folder is not None  # find asks first
        return finder(self._folder)

    @cached_property
    def _by_digest(self) -> dict[str, Path]:
        return files_by_digest(self._folder) if self._folder else {}


class PictureIndex:
    """The pictures of a data set's own folder, and of the one that a person named, which is looked into first."""

    def __init__(self, inside: DatasetFolder) -> None:
        self._inside = inside

    def find(self, name: str, folders: Iterable[Path]) -> list[Path]:
        """The files that a name or path of any machine may mean. folders: of the data set, the likeliest first."""
        chosen = self._below_media(pieces(name)) if self._inside.media is not None else []
        return chosen if len(chosen) == 1 else self.beside(name, folders) or chosen

    def beside(self, name: str, folders: Iterable[Path]) -> list[Path]:
        """Of the data set alone."""
        for folder in folders:
            if is_file_here(folder / name) and (folder / name).is_file() and self._inside.holds(folder / name):
                return [folder / name]
        return [each for each in self._below_root(pieces(name)) if self._inside.holds(each)]

    def paired(self, file: Path, said: str, folders: Iterable[Path]) -> Path | None:
        """The picture of a file of its own: the one of the file's name, which stays beside it when both are renamed; else the one it says.

        None where neither is in these folders.
        """
        places, name = list(folders), pieces(said)[-1] if pieces(said) else ""
        named = [each / name for each in places if name and is_file_here(each / name) and self._is_own(each / name)]
        own = next((each for each in named if each.stem == file.stem), None)
        stems = (folder / f"{file.stem}{variant}" for folder in places for suffix in SUFFIXES for variant in (suffix, suffix.upper()))
        return own or next((each for each in stems if self._is_own(each)), None) or (named[0] if named else None)

    def _is_own(self, path: Path) -> bool:
        return path.is_file() and self._inside.holds(path)

    @cached_property
    def _below_media(self) -> Callable[[list[str]], list[Path]]:
        return fits(self._inside.media or self._inside.root)

    @cached_property
    def _below_root(self) -> Callable[[list[str]], list[Path]]:
        return fits(self._inside.root)


def files_by_digest(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by the SHA-256 of their bytes; of equal ones the last. Raises MediaUnavailable."""
    return {sha256_of_file(each): each for each in image_paths(folder)}


def find_unmoved(path: str, sha256: str | None, name: str) -> Path | None:
    """The file that a data set names by an absolute path, when it holds exactly what the data set says that it held.

    Any other file of this machine is none of its business, so without a digest there is none. name: what the picture is called where its
    file has no name of a picture, as those that were fetched from Label Studio.
    """
    file = Path(path)
    if not sha256 or not file.is_absolute() or not file.is_file() or sha256_of_file(file) != sha256:
        return None
    if file.suffix.lower() in SUFFIXES:
        return file
    return temporary_folder.write(temporary_folder.new_folder(), f"picture{name}" if name.startswith(".") else name, file.read_bytes())
