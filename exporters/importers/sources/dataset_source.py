"""A data set that a person named, ready to be read: unpacked where it is a zip, with its format told where nobody said it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dinolabel.exporters import importers
from dinolabel.exporters.importers.common.reading import ImportLog, PictureCollector
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.sources.archive import is_archive, unpack
from dinolabel.exporters.importers.sources.recognition import known_to, recognise
from dinolabel.vision.errors import RequestError

NOT_HERE = "The picture is not here."
ELSEWHERE = "Name the folder that holds the pictures with --media."


@dataclass(frozen=True)
class DatasetSource:
    """name: the format. words: how it was told, "" where a person said it. folder: what is read. zipped: whether it was unpacked."""

    name: str
    words: str
    folder: Path
    zipped: bool

    def read(self, media: Path | None, reading: ImportLog) -> Iterator[ImportedImage]:
        """Its pictures, each once: what several of its files say of one is put together.

        One that is neither here nor remembered by an export of ours is refused: it could become nothing. Raises ImportUnreadable.
        """
        if media is not None and not media.is_dir():
            raise ImportUnreadable(f"There is no folder {media}.", hint=ELSEWHERE)
        found = PictureCollector()
        with _saying(reading):
            for at, each in enumerate(importers.load(self.name).read(self.folder, media, reading)):
                if each.file is None and each.task is None and not each.sha256:
                    reading.refuse(each.name, NOT_HERE, ELSEWHERE)
                    continue
                found.add(at if each.file is None else (each.file.resolve(), each.task), each)
        yield from found

    def place(self, file: Path) -> str:
        """A picture's path below the data set; as it is where it lies elsewhere."""
        root = self.folder if self.folder.is_dir() else self.folder.parent
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


@contextmanager
def _saying(reading: ImportLog) -> Iterator[None]:
    """Errors within speak of the zip that a person named, and not of where it was unpacked to."""
    try:
        yield
    except RequestError as error:
        if (said := reading.say(str(error))) == str(error):
            raise
        raise type(error)(said, hint=error.hint) from error


def open_source(name: str | None, path: Path, reading: ImportLog) -> DatasetSource:
    """name: the format, None when it is to be told from the data. Raises ImportUnreadable, UnknownPlug, RequestError."""
    if name is not None:
        importers.load(name)
    zipped = is_archive(path)
    folder = unpack(path, reading) if zipped else path
    if zipped:
        reading.unpacked[folder] = path
    if name is None:
        with _saying(reading):
            name, known, folder = recognise(folder)
        return DatasetSource(name, known.words, folder, zipped)
    return DatasetSource(name, "", known_to(name, folder) if zipped else folder, zipped)
