"""Where the ids of jobs wait for their turn: Huey in a SQLite file, or in a Redis by one setting. Knows nothing of what a job is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from huey import Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

from vision.errors import SettingsError


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Huey's messages as JSON: a queue file must not be able to run code, which pickle would let it. Results are not stored."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return Message(*json.loads(data))


class QuietConsumer(Consumer):  # type: ignore[misc]
    """A consumer inside our process: the signals are the server's."""

    def _set_signal_handlers(self) -> None:
        pass


def made(folder: Path, address: str | None) -> Huey:
    """The queue in a SQLite file of the folder, or in a Redis, there under a name of this folder's own: its table knows the jobs.

    Raises SettingsError for an address that is none.
    """
    if not address:
        return SqliteHuey("dinolabel", filename=str(folder / "huey.sqlite"), serializer=JsonSerializer(), results=False)
    name = f"dinolabel.{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    try:
        return RedisHuey(name, url=address, serializer=JsonSerializer(), results=False)
    except ValueError as error:
        raise SettingsError("DINOLABEL_QUEUE is no address of a Redis.", hint="Write it like redis://localhost:6379/0.") from error
