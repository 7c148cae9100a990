"""Where boxes of a film wait between watching and writing it: a file, so that an hour needs no more memory than a minute."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

from dinolabel.vision.types import Box

ROW = struct.Struct("<I4f")
COUNT = struct.Struct("<I")


class SpillBuffer:
    """Frames in order, each with its rows (track, box in pixels). Gone when closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dinolabel-film-")  # noqa: SIM115 - closed by close()
        self.frames = 0

    def add(self, rows: Sequence[tuple[int, Box]]) -> None:
        """The next frame's."""
        self._file.write(COUNT.pack(len(rows)) + b"".join(ROW.pack(number, *box.xyxy) for number, box in rows))
        self.frames += 1

    def __iter__(self) -> Iterator[list[tuple[int, Box]]]:
        self._file.seek(0)
        for _ in range(self.frames):
            (count,) = COUNT.unpack(self._file.read(COUNT.size))
            rows = [ROW.unpack(self._file.read(ROW.size)) for _ in range(count)]
            yield [(number, Box(*corners)) for number, *corners in rows]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> SpillBuffer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
