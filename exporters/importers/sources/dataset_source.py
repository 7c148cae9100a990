"""A data set that a person named, ready to be read: unpacked where it is a zip, with its format told where nobody said it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dinolabel.exporters import importers
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage
from dinolabel.exporters.importers.sources.archive import is_archive, unpack
from dinolabel.exporters.importers.sources.recognition import known_to, recognise

NOT_HERE = "The picture is not here."


@dataclass(frozen=True)
class DatasetSource:
    """name: the format. words: how it was told, "" where a person said it. folder: what is read. zipped: whether it was unpacked."""

    name: str
    words: str
    folder: Path
    zipped: bool

    def read(self, media: Path | None, reading: ImportLog) -> Iterator[ImportedImage]:
        """Its pictures. One that is neither here nor remembered by an export of ours is refused: it could become nothing."""
        for each in importers.load(self.name).read(self.folder, media, reading):
            if each.file is None and each.task is None and not each.sha256:
                reading.refuse(each.name, NOT_HERE, "Name the folder that holds the pictures with --media.")
            else:
                yield each

    def place(self, file: Path) -> str:
        """A picture's path below the data set; as it is where it lies elsewhere."""
        root = self.folder if self.folder.is_dir() else self.folder.parent
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def open_source(name: str | None, path: Path, reading: ImportLog) -> DatasetSource:
    """name: the format, None when it is to be told from the data. Raises ImportUnreadable, UnknownPlug, RequestError."""
    if name is not None:
        importers.load(name)
    zipped = is_archive(path)
    folder = unpack(path, reading) if zipped else path
    if name is None:
        name, known, folder = recognise(folder)
        return DatasetSource(name, known.words, folder, zipped)
    return DatasetSource(name, "", known_to(name, folder) if zipped else folder, zipped)
